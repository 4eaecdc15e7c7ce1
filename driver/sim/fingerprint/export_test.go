package fingerprint

// Known says whether bytes are a template.
func Known(data []byte) bool {
	_, err := decode(data)
	return err == nil
}

// Again writes a template that was read.
func Again(data []byte) []byte {
	p, _ := decode(data)
	return p.encode()
}
