# cryptography 38 (Debian 12) lacks two names of types that securesystemslib 1.4 imports.
import typing

from cryptography.hazmat.primitives.asymmetric import types

for name in ("PrivateKeyTypes", "PublicKeyTypes"):
    if not hasattr(types, name):
        setattr(types, name, typing.Any)
