// Package nfc is a data port like the one of a host (902): it serves disks to clients that follow the
// specification and refuses all others. It can be told to fail.
package nfc

import (
	"crypto/tls"
	"errors"
	"io"
	"math/rand"
	"net"
	"strings"
	"sync"
	"time"

	"vmdkbkp.test/vsphere/certs"
	"vmdkbkp.test/vsphere/faults"
	"vmdkbkp.test/vsphere/inventory"
	"vmdkbkp.test/vsphere/journal"
	"vmdkbkp.test/vsphere/tickets"
)

// Port is the data port of all hosts of a server.
type Port struct {
	Journal   *journal.Journal
	Faults    *faults.Set
	Certs     *certs.Chain
	Inventory *inventory.Inventory
	Tickets   *tickets.Store
	// Version is what the server answers to the client's: 9 is ESXi 7.0.3, 11 is 8.0.
	Version uint32

	mu    sync.Mutex
	open  map[net.Conn]bool
	count int
}

// maxConnections is how many streams a host serves at once.
const maxConnections = 48

// Serve answers connections until the listener is closed.
func (p *Port) Serve(listener net.Listener) {
	p.open = map[net.Conn]bool{}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.count++
		s := &session{port: p, number: p.count, settings: p.Faults.Settings()}
		p.open[conn] = true
		tooMany := len(p.open) > maxConnections
		p.mu.Unlock()
		s.random = rand.New(rand.NewSource(s.settings.Seed + int64(s.number)))
		s.mix = rand.New(rand.NewSource(s.settings.Seed - int64(s.number)))
		s.wire = newWire(conn, p.Faults)
		go func() {
			defer func() {
				_ = conn.Close()
				p.mu.Lock()
				delete(p.open, conn)
				p.mu.Unlock()
				p.Journal.Add("connectionsOpen", -1)
			}()
			p.Journal.Add("connections", 1)
			p.Journal.Reach("connectionsMost", p.Journal.Add("connectionsOpen", 1))
			s.log("connect", nil)
			if tooMany {
				s.end(&refused{"too many streams"})
				return
			}
			s.end(s.run())
		}()
	}
}

// CutAll closes all connections.
func (p *Port) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.open {
		_ = conn.Close()
	}
}

// session is one connection.
type session struct {
	port     *Port
	number   int
	settings faults.Settings
	random   *rand.Rand // of the goroutine that reads requests
	mix      *rand.Rand // of the goroutine that answers reads
	wire     *wire
	// tls is the current TLS session, nil before the first and with the clear transport.
	tls *tls.Conn

	ticket tickets.Ticket
	token  string
	records
}

func (s *session) log(event string, fields journal.Fields) {
	line := journal.Fields{"connection": s.number}
	for name, value := range fields {
		line[name] = value
	}
	s.port.Journal.Event(event, line)
}

func (s *session) fault(at string, match func(faults.Fault) bool) *faults.Fault {
	fault := s.port.Faults.Take(at, match)
	if fault != nil {
		s.log("fault", journal.Fields{"at": at, "kind": fault.Kind, "id": fault.ID})
	}
	return fault
}

func kind(names ...string) func(faults.Fault) bool {
	return func(f faults.Fault) bool {
		for _, name := range names {
			if f.Kind == name {
				return true
			}
		}
		return false
	}
}

// end tells how a connection ended: the client broke a rule, the server refused, or one of them closed it.
func (s *session) end(err error) {
	var b *broken
	var r *refused
	switch {
	case errors.As(err, &b):
		s.port.Journal.Violation(b.rule, b.text, journal.Fields{"connection": s.number})
	case errors.As(err, &r):
		s.port.Journal.Add("refused", 1)
		s.log("refused", journal.Fields{"text": r.text})
	}
	s.release()
	clean := err == nil
	if !clean {
		s.port.Journal.Add("aborted", 1)
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	s.log("disconnect", journal.Fields{"clean": clean, "text": text})
}

// run plays all parts of a connection, one after the other. It returns nil only after a complete session.
func (s *session) run() error {
	if err := s.greet(); err != nil {
		return err
	}
	s.wire.beginTLS("before-tls")
	if err := s.startTLS("session1"); err != nil {
		return err
	}
	encrypted, err := s.dialogue()
	if err != nil {
		return err
	}
	// Both sides forget the first TLS session without a word. The connection stays.
	s.tls = nil
	if encrypted {
		s.wire.beginTLS("after-grant")
		if err := s.startTLS("session2"); err != nil {
			return err
		}
	} else {
		s.wire.endTLS()
	}
	if err := s.shake(); err != nil {
		return err
	}
	return s.serve()
}

const greeting = "220 VMware Authentication Daemon Version 1.10: SSL Required, ServerDaemonProtocol:SOAP, " +
	"MKSDisplayProtocol:VNC , VMXARGS supported, NFCSSL supported/t, SHA256 supported\r\n"

func (s *session) greet() error {
	text := greeting
	if fault := s.fault("greeting", nil); fault != nil {
		switch fault.Kind {
		case "text":
			text = fault.Text
		case "long":
			text = "220 " + strings.Repeat("x", 2000) + "\r\n"
		case "no-ssl":
			text = strings.Replace(text, "NFCSSL supported/t, ", "", 1)
		case "no-sha256":
			text = strings.Replace(text, ", SHA256 supported", "", 1)
		case "slow":
			time.Sleep(time.Duration(fault.Ms) * time.Millisecond)
		case "silence":
			return s.waitForEnd()
		case "close":
			return &refused{"closed in place of a greeting"}
		}
	}
	if s.wire.hasInput() {
		return violation("before-greeting", "the client sent bytes before it had the greeting")
	}
	_, err := s.wire.Write([]byte(text))
	return err
}

// waitForEnd says nothing more and reads until the client has enough of it.
func (s *session) waitForEnd() error {
	s.wire.endTLS()
	_, _ = io.Copy(io.Discard, s.wire)
	return &refused{"silence, as told"}
}

var ciphers = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}

func (s *session) startTLS(where string) error {
	shown := ""
	if fault := s.fault("tls", func(f faults.Fault) bool { return f.When == where }); fault != nil {
		shown = fault.Kind
	}
	config := &tls.Config{
		Certificates:                []tls.Certificate{s.port.Certs.Get(shown)},
		CipherSuites:                ciphers,
		MinVersion:                  tls.VersionTLS12,
		MaxVersion:                  tls.VersionTLS12,
		SessionTicketsDisabled:      true, // the second handshake must be a full one
		DynamicRecordSizingDisabled: true,
	}
	if s.settings.TLS13 {
		config.MaxVersion = tls.VersionTLS13
	}
	conn := tls.Server(s.wire, config)
	if err := conn.Handshake(); err != nil {
		return err
	}
	state := conn.ConnectionState()
	s.log("tls", journal.Fields{
		"session": where, "version": state.Version, "cipher": tls.CipherSuiteName(state.CipherSuite),
	})
	s.tls = conn
	return nil
}

// send writes bytes into the current TLS session, or in clear.
func (s *session) send(p []byte) error {
	if s.tls == nil {
		_, err := s.wire.Write(p)
		return err
	}
	_, err := s.tls.Write(p)
	return err
}

// Read returns bytes of the current TLS session, at most of one record, or bytes in clear.
func (s *session) Read(p []byte) (int, error) {
	if s.tls == nil {
		return s.wire.Read(p)
	}
	return s.tls.Read(p)
}

// mustWait refuses a client that did not wait for the answer that is about to be sent.
func (s *session) mustWait(answer string) error {
	if s.wire.hasInput() {
		return violation("did-not-wait", "the client sent more before it had the answer to %s", answer)
	}
	return nil
}
