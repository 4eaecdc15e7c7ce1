# A pytest plugin: the suite's repositories publish length and SHA-256 of every metadata file, which the specification
# allows and this client demands.
from tuf_conformance._internal.repository_simulator import RepositorySimulator

_initialize = RepositorySimulator._initialize


def initialize(self):
    self.compute_metafile_hashes_length = True
    _initialize(self)


RepositorySimulator._initialize = initialize
