package nfc

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"vmdkbkp.test/vsphere/certs"
	"vmdkbkp.test/vsphere/journal"
)

// maxLineBytes is the longest line of the dialogue.
const maxLineBytes = 1024

// lines reads lines out of the first TLS session.
type lines struct {
	from    io.Reader
	pending []byte
}

// next returns a line without its CRLF.
func (l *lines) next() (string, error) {
	for {
		if end := bytes.IndexByte(l.pending, '\n'); end >= 0 {
			line := l.pending[:end]
			l.pending = l.pending[end+1:]
			if !bytes.HasSuffix(line, []byte("\r")) {
				return "", violation("line-end", "a line does not end with CRLF")
			}
			if end+1 > maxLineBytes {
				return "", violation("line-length", "a line has %d bytes", end+1)
			}
			return string(line[:end-1]), nil
		}
		if len(l.pending) > maxLineBytes {
			return "", violation("line-length", "a line has more than %d bytes", maxLineBytes)
		}
		more := make([]byte, 16384)
		n, err := l.from.Read(more)
		l.pending = append(l.pending, more[:n]...)
		if err != nil && n == 0 {
			if errors.Is(err, io.EOF) && len(l.pending) > 0 {
				return "", violation("line-end", "the connection ended within a line")
			}
			return "", err
		}
	}
}

// dialogue plays the lines of the first TLS session. It returns whether a second TLS session follows.
func (s *session) dialogue() (encrypted bool, err error) {
	in := &lines{from: s}

	line, err := in.next()
	if err != nil {
		return false, err
	}
	id, found := cutPrefix(line, "SESSION ")
	if !found {
		return false, s.outOfOrder(line, "SESSION")
	}

	if line, err = in.next(); err != nil {
		return false, err
	}
	if line != "BANNER " {
		return false, s.outOfOrder(line, "BANNER and a space")
	}
	banner := greeting
	if fault := s.fault("dialogue", kind("banner")); fault != nil {
		banner = fault.Text
	}
	if err := s.answer(in, "BANNER", banner); err != nil {
		return false, err
	}

	if line, err = in.next(); err != nil {
		return false, err
	}
	token, found := cutPrefix(line, "THUMBPRINT_SHA2 ")
	if !found {
		return false, s.outOfOrder(line, "THUMBPRINT_SHA2")
	}
	if token == "" || len(token) > messageBytes-4 || strings.ContainsAny(token, " :") {
		_ = s.send([]byte("501 Invalid arguments\r\n"))
		return false, violation("token", "the token is empty, too long, or has a space or a colon")
	}
	s.token = token
	// The thumbprint is that of the certificate which the ticket names, whatever a fault has shown.
	thumbprint := "200 " + certs.SHA256(s.port.Certs.Get("")) + "\r\n"
	if fault := s.fault("dialogue", kind("thumbprint", "thumbprint-text")); fault != nil {
		thumbprint = fault.Text
		if fault.Kind == "thumbprint" {
			thumbprint = "200 " + certs.SHA256(s.port.Certs.Get(certs.Other)) + "\r\n"
		}
	}
	if err := s.answer(in, "THUMBPRINT_SHA2", thumbprint); err != nil {
		return false, err
	}

	if line, err = in.next(); err != nil {
		return false, err
	}
	service, found := cutPrefix(line, "PROXY ")
	if !found {
		return false, s.outOfOrder(line, "PROXY")
	}
	return s.proxy(in, id, service)
}

// proxy uses the ticket and grants the service.
func (s *session) proxy(in *lines, id, service string) (encrypted bool, err error) {
	ticket, problem := s.port.Tickets.Use(id)
	s.log("proxy", journal.Fields{"service": service, "ticket": problem, "machine": ticket.Machine})
	if fault := s.fault("dialogue", kind("refuse", "close")); fault != nil {
		if fault.Kind == "refuse" {
			_ = s.send([]byte(fault.Text))
		}
		return false, &refused{"refused at PROXY, as told"}
	}
	switch problem {
	case "":
	case "used":
		_ = s.send([]byte("530 Login incorrect\r\n"))
		return false, violation("ticket-used", "the ticket was used before")
	default:
		_ = s.send([]byte("530 Login incorrect\r\n"))
		return false, &refused{"the ticket is " + problem}
	}
	s.ticket = ticket
	switch service {
	case ticket.Service:
	case ticket.Service + "ssl":
		encrypted = true
	default:
		_ = s.send([]byte("501 Invalid arguments\r\n"))
		return false, violation("service", "PROXY %q, the ticket is for %q", service, ticket.Service)
	}
	granted := "200 Connect ha-nfc"
	if encrypted {
		granted += "ssl"
	}
	granted += "\r\n"
	if fault := s.fault("dialogue", kind("grant")); fault != nil {
		granted = fault.Text
	}
	return encrypted, s.answer(in, "PROXY", granted)
}

// answer sends a line, unless the client has gone on without it.
func (s *session) answer(in *lines, command, line string) error {
	if len(in.pending) > 0 {
		return violation("did-not-wait", "the client sent more before it had the answer to %s", command)
	}
	if err := s.mustWait(command); err != nil {
		return err
	}
	return s.send([]byte(line))
}

// outOfOrder answers like a host to what it does not expect, and ends.
func (s *session) outOfOrder(line, wanted string) error {
	verb := strings.SplitN(line, " ", 2)[0]
	answer := "530 Please login with USER and PASS\r\n"
	if verb == "USER" || verb == "PASS" {
		answer = "530 Login incorrect\r\n"
	}
	_ = s.send([]byte(answer))
	if len(verb) > 20 {
		verb = verb[:20]
	}
	return violation("dialogue", "%q came, %s was expected", verb, wanted)
}

func cutPrefix(s, prefix string) (rest string, found bool) {
	if !strings.HasPrefix(s, prefix) {
		return "", false
	}
	return s[len(prefix):], true
}
