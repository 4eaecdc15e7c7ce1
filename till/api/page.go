package api

import "net/http"

// pageHeader names a page by its digest: in the head of the event stream the one that
// is served, with what is sent to the node the one that sends it.
const pageHeader = "Plomb-Page"

// stale reports whether a page that another program served wants to change something:
// after an update no part of the old version is heard any more (requirement CU-15).
// Browsers say by themselves that they are one (Fetch Metadata, Sec-Fetch-Site), so a
// page from before pages named themselves is found too; other clients have no page.
func (h *handler) stale(route Route, r *http.Request) bool {
	if h.page == "" || route.Method != http.MethodPost || route.Pattern == "/api/check" {
		return false
	}
	switch r.Header.Get(pageHeader) {
	case h.page:
		return false
	case "":
		return r.Header.Get("Sec-Fetch-Site") != ""
	}
	return true
}
