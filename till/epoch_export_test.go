package till

// NewEpochOn is NewEpoch on a disk of the test's own.
var NewEpochOn = newEpochOn
