package replay

// Audit holds a journal against a plan.
var Audit = audit
