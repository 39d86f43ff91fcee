// Package tickets issues the tickets with which the management calls allow a connection to the data port.
package tickets

import (
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"vmdkbkp.test/vsphere/certs"
	"vmdkbkp.test/vsphere/faults"
	"vmdkbkp.test/vsphere/journal"
)

// Ticket allows one connection.
type Ticket struct {
	ID      string
	Machine string // reference of the machine
	Key     int32  // the only disk that may be opened, 0 for all of the machine
	Write   bool
	Service string // what the client must name: "nfc" or "vpxa-nfc"

	expires time.Time
	used    bool
	spoiled bool // the server itself used it up, to play a fault
}

// Store has all tickets that were ever issued. All methods may be called by any goroutine.
type Store struct {
	// VCenter tickets name the host and another service.
	VCenter bool
	// Host and Port are where the data port is.
	Host    string
	Port    int32
	Certs   *certs.Chain
	Faults  *faults.Set
	Journal *journal.Journal

	mu  sync.Mutex
	all map[string]*Ticket
}

// Issue makes a ticket and returns it as the API tells it.
func (s *Store) Issue(t Ticket) types.HostServiceTicket {
	life := time.Duration(s.Faults.Settings().TicketMs) * time.Millisecond
	if life == 0 {
		life = 2 * time.Minute
	}
	answer := types.HostServiceTicket{
		Port: s.Port, SslThumbprint: certs.SHA1(s.Certs.Get("")), Service: "nfc", ServiceVersion: "1.1",
	}
	if s.VCenter {
		answer.Service, answer.Host = "vpxa-nfc", s.Host
	}
	t.Service = answer.Service
	t.ID = newID()
	answer.SessionId = t.ID
	if fault := s.Faults.Take("ticket", nil); fault != nil {
		s.Journal.Event("fault", journal.Fields{"at": "ticket", "kind": fault.Kind, "id": fault.ID})
		switch fault.Kind {
		case "expired":
			life = -time.Second
		case "used":
			t.used = true
		case "unknown":
			answer.SessionId = newID()
		case "thumbprint":
			answer.SslThumbprint = certs.SHA1(s.Certs.Get(certs.Other))
		case "no-port":
			answer.Port = 0
		}
	}
	t.spoiled = t.used
	t.expires = time.Now().Add(life)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]*Ticket{}
	}
	s.all[t.ID] = &t
	s.Journal.Add("tickets", 1)
	s.Journal.Event("ticket", journal.Fields{"machine": t.Machine, "key": t.Key, "write": t.Write})
	return answer
}

// newID makes an ID that no ticket has.
func newID() string {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		panic(err)
	}
	return fmt.Sprintf("52%x-%x-%x-%x-%x", b[1:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Use uses a ticket up. If it is not good, it returns why: "unknown", "used", "expired", or "spoiled" if the server
// has made it one that was used.
func (s *Store) Use(id string) (t Ticket, problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.all[id]
	switch {
	case found == nil:
		return Ticket{}, "unknown"
	case found.spoiled:
		return *found, "spoiled"
	case found.used:
		return *found, "used"
	case time.Now().After(found.expires):
		found.used = true
		return *found, "expired"
	}
	found.used = true
	return *found, ""
}

// IDs returns the IDs of all tickets, which must appear in no log.
func (s *Store) IDs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, 0, len(s.all))
	for id := range s.all {
		ids = append(ids, id)
	}
	return ids
}
