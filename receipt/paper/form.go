package paper

// Names under which a document travels between a till and a printer service, as a
// field of Printer.PrintForm (XFS4IoT). They stand here because the two sides know
// nothing else of each other.
const (
	Form     = "PLOMB_DOC" // prints: fields FieldDoc and, optional, FieldJob
	JobForm  = "PLOMB_JOB" // asks what became of a job: field FieldJob
	FieldDoc = "DOC"       // the document, as Encode returns it
	FieldJob = "JOB"       // the id of the job: it is printed at most once
)
