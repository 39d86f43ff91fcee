package front

import (
	"net/http"
	"strings"

	"vmdkbkp.test/vsphere/faults"
	"vmdkbkp.test/vsphere/journal"
)

// serveFolder gives files of datastores to clients that have a session, unlike the simulator, which asks for none.
func (f *Front) serveFolder(w http.ResponseWriter, r *http.Request) {
	key, problem := f.cookie(r)
	query := r.URL.Query()
	isFlat, isDisk := strings.HasSuffix(r.URL.Path, "-flat.vmdk"), strings.HasSuffix(r.URL.Path, ".vmdk")
	status := 0
	switch fault := f.Faults.Take("folder", func(f faults.Fault) bool { return f.Kind == "status" }); {
	case fault != nil:
		status = int(fault.Code)
	case problem != "":
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", `Basic realm="VMware HTTP server"`)
		if problem != "over" {
			f.Journal.Violation("cookie", "the cookie is "+problem, journal.Fields{"path": r.URL.Path})
		}
	case query.Get("dsName") == "" || query.Get("dcPath") == "":
		status = http.StatusNotFound
		f.Journal.Violation("folder", "dcPath or dsName is missing", nil)
	case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPut:
		status = http.StatusMethodNotAllowed
	case isDisk && r.Method == http.MethodPut:
		status = http.StatusForbidden
	case isFlat && f.Backend.InUse(query.Get("dsName"), strings.TrimPrefix(r.URL.Path, "/folder/")):
		status = http.StatusInternalServerError
	}
	f.Journal.Event("folder", journal.Fields{
		"method": r.Method, "path": r.URL.Path, "session": tag(key), "status": status,
	})
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	if fault := f.Faults.Take("folder", func(f faults.Fault) bool { return f.Kind == "cut" }); fault != nil {
		cut(w, Answer{Status: http.StatusOK, Body: make([]byte, fault.Bytes+1)}, fault.Bytes)
	}
	f.Backend.File(w, r)
}
