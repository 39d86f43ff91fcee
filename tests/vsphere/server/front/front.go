// Package front is the HTTP side of the management port. It checks requests as strictly as a real server, asks for
// a session where a real one does, keeps the log of calls, and spoils answers when it is told to.
package front

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"vmdkbkp.test/vsphere/faults"
	"vmdkbkp.test/vsphere/journal"
)

// Backend answers what the front lets through.
type Backend interface {
	// Sessions returns the keys of the open sessions, which are their cookies.
	Sessions() map[string]bool
	// Expire ends all sessions.
	Expire() int
	// Call answers a call. A cookie without a session was taken off the request.
	Call(r *http.Request, method string, body []byte) Answer
	// File answers a request for a file of a datastore, Other everything else.
	File(w http.ResponseWriter, r *http.Request)
	Other(w http.ResponseWriter, r *http.Request)
	// InUse tells whether a machine or a client has the disk open that this file is a part of.
	InUse(datastore, path string) bool
}

// Front is a handler of HTTP requests.
type Front struct {
	Backend Backend
	Journal *journal.Journal
	Faults  *faults.Set

	mu     sync.Mutex
	issued map[string]bool
}

// Cookies returns all cookies that were ever given, which must appear in no log.
func (f *Front) Cookies() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := []string{}
	for cookie := range f.issued {
		all = append(all, cookie)
	}
	return all
}

const cookieName = "vmware_soap_session"

// cookie finds the session of a request. The client must send it back with its quotes, as it was given.
func (f *Front) cookie(r *http.Request) (key string, problem string) {
	_, rest, found := strings.Cut(r.Header.Get("Cookie"), cookieName+"=")
	if !found {
		return "", "missing"
	}
	key, _, _ = strings.Cut(rest, ";")
	if len(key) < 2 || key[0] != '"' || key[len(key)-1] != '"' {
		return "", "without quotes"
	}
	key = key[1 : len(key)-1]
	if f.Backend.Sessions()[key] {
		return key, ""
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.issued[key] {
		return "", "over"
	}
	return "", "unknown"
}

// tag names a session in the log without giving it away.
func tag(key string) string {
	if key == "" {
		return ""
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte("log "+key)))[:8]
}

// ServeHTTP answers a request.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/sdk" || r.URL.Path == "/sdk/vimService":
		f.serveCall(w, r)
	case strings.HasPrefix(r.URL.Path, "/folder/"):
		f.serveFolder(w, r)
	default:
		f.Backend.Other(w, r)
	}
}

// maxBodyBytes is the longest request.
const maxBodyBytes = 8 << 20

func (f *Front) serveCall(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBodyBytes))
	if err != nil || r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	method, this, err := checkBody(string(body))
	if err == nil {
		err = checkHeaders(r)
	}
	if err != nil {
		f.Journal.Violation("soap", err.Error(), journal.Fields{"method": method})
		f.send(w, Refuse(&Fault{err.Error(), &types.InvalidRequest{}}), nil)
		return
	}
	if f.take("expire", method) != nil {
		f.Journal.Add("sessionsExpired", int64(f.Backend.Expire()))
	}
	session, problem := f.cookie(r)
	answer, spoil := f.spoilCall(method)
	if answer.Status == 0 {
		answer = f.answerCall(r, method, this, body, problem)
	}
	f.Journal.Add("calls", 1)
	f.Journal.Event("call", journal.Fields{
		"method": method, "this": this.Value, "session": tag(session), "status": answer.Status, "fault": answer.faultNamed(),
	})
	f.send(w, answer, spoil)
}

// open are the calls that need no login.
var open = map[string]bool{"RetrieveServiceContent": true, "Login": true, "CurrentTime": true}

// answerCall checks the session and lets the backend answer. It counts logins and logouts.
func (f *Front) answerCall(r *http.Request, method string, this types.ManagedObjectReference, body []byte, problem string) Answer {
	if !open[method] && problem != "" {
		if problem != "over" {
			f.Journal.Violation("cookie", "the cookie is "+problem, journal.Fields{"method": method})
		}
		return Refuse(notAuthenticated())
	}
	if denied := f.denied(method, this); denied != nil {
		return Refuse(denied)
	}
	if problem != "" {
		r.Header.Del("Cookie")
	}
	a := f.Backend.Call(r, method, body).WithWords()
	ok := a.Status == http.StatusOK
	switch {
	case method == "Login" && ok:
		value := strings.TrimPrefix(strings.SplitN(a.Header.Get("Set-Cookie"), ";", 2)[0], cookieName+"=")
		a.Header.Set("Set-Cookie", fmt.Sprintf(`%s="%s"; Path=/; HttpOnly; Secure`, cookieName, value))
		f.mu.Lock()
		if f.issued == nil {
			f.issued = map[string]bool{}
		}
		f.issued[value] = true
		f.mu.Unlock()
		f.Journal.Add("logins", 1)
		f.Journal.Reach("sessionsMost", int64(len(f.Backend.Sessions())))
	case method == "Login":
		f.Journal.Add("loginsRefused", 1)
	case method == "Logout" && ok:
		f.Journal.Add("logouts", 1)
	}
	return a
}

// take finds a fault of calls of one kind.
func (f *Front) take(kind, method string) *faults.Fault {
	return f.Faults.Take("call", func(fault faults.Fault) bool {
		return fault.Kind == kind && (fault.Method == "" || fault.Method == method)
	})
}

// spoilCall returns what a fault has made of a call: an answer in place of the right one, or how to spoil that.
func (f *Front) spoilCall(method string) (Answer, *faults.Fault) {
	for _, kind := range []string{"fault", "slow", "status", "body", "cut", "drop"} {
		fault := f.take(kind, method)
		if fault == nil {
			continue
		}
		f.Journal.Event("fault", journal.Fields{"at": "call", "kind": kind, "id": fault.ID, "method": method})
		switch kind {
		case "fault":
			made, err := FaultOf(fault.Type, fault.Text, fault.Fields)
			if err != nil {
				made = &Fault{err.Error(), &types.SystemError{}}
			}
			return Refuse(made), nil
		case "slow":
			time.Sleep(time.Duration(fault.Ms) * time.Millisecond)
			return Answer{}, nil
		case "status":
			return newAnswer(int(fault.Code), fault.Text), nil
		}
		return Answer{}, fault
	}
	return Answer{}, nil
}

// send sends an answer, whole or as a fault wants it.
func (f *Front) send(w http.ResponseWriter, a Answer, spoil *faults.Fault) {
	if spoil != nil {
		switch {
		case spoil.Kind == "body":
			a.Body = []byte(spoil.Text)
		case spoil.Kind == "drop" || spoil.Bytes >= int64(len(a.Body)):
			panic(http.ErrAbortHandler)
		default:
			cut(w, a, spoil.Bytes)
		}
	}
	for name, values := range a.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}

// cut announces the length of the whole answer and ends the connection after a part of it.
func cut(w http.ResponseWriter, a Answer, bytes int64) {
	w.Header().Set("Content-Length", fmt.Sprint(len(a.Body)))
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body[:bytes])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}
