package nfc

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"

	"vmdkbkp.test/vsphere/faults"
)

// Types of TLS records (RFC 5246, 6.2.1).
const (
	tlsAlert     = 21
	tlsHandshake = 22
	clientHello  = 1
)

var errCut = errors.New("the server cut the connection, as it was told")

// wire is the TCP connection below one or two TLS sessions. While framed, a read never returns bytes of more
// than one TLS record, so that the first session leaves what belongs to the second where it is.
type wire struct {
	net.Conn
	framed  bool
	first   bool // the next record must be a ClientHello
	rule    string
	pending []byte // of a record's beginning, not yet returned
	left    int    // bytes of the record that are still in the socket

	mu      sync.Mutex
	written int64
	cut     int64 // bytes after which the connection is cut, -1 for never
	trickle int64 // bytes that are sent one by one
}

func newWire(conn net.Conn, set *faults.Set) *wire {
	w := &wire{Conn: conn, cut: -1}
	if fault := set.Take("connection", func(f faults.Fault) bool { return f.Kind == "cut" }); fault != nil {
		w.cut = fault.Bytes
	}
	if fault := set.Take("connection", func(f faults.Fault) bool { return f.Kind == "trickle" }); fault != nil {
		w.trickle = fault.Bytes
	}
	return w
}

// beginTLS makes the wire expect a ClientHello; what comes instead breaks the rule.
func (w *wire) beginTLS(rule string) {
	w.framed, w.first, w.rule = true, true, rule
}

// endTLS makes the wire return bytes as they come.
func (w *wire) endTLS() { w.framed = false }

func (w *wire) Read(p []byte) (int, error) {
	if !w.framed {
		return w.Conn.Read(p)
	}
	if w.left == 0 && len(w.pending) == 0 {
		if err := w.nextRecord(); err != nil {
			return 0, err
		}
	}
	if len(w.pending) > 0 {
		n := copy(p, w.pending)
		w.pending = w.pending[n:]
		return n, nil
	}
	if len(p) > w.left {
		p = p[:w.left]
	}
	n, err := w.Conn.Read(p)
	w.left -= n
	return n, err
}

func (w *wire) nextRecord() error {
	header := make([]byte, 6)
	n, err := io.ReadFull(w.Conn, header[:1])
	if n == 0 {
		return err
	}
	if w.first && header[0] != tlsHandshake {
		return violation(w.rule, "a TLS record of type 22 was expected, a byte %d came", header[0])
	}
	if _, err := io.ReadFull(w.Conn, header[1:5]); err != nil {
		return err
	}
	length := int(header[3])<<8 | int(header[4])
	if length > 16384+2048 {
		return violation("tls-record", "a TLS record of %d bytes", length)
	}
	w.pending, w.left = header[:5], length
	if w.first {
		w.first = false
		if length == 0 {
			return violation(w.rule, "an empty TLS record came in place of a ClientHello")
		}
		if _, err := io.ReadFull(w.Conn, header[5:]); err != nil {
			return err
		}
		if header[5] != clientHello {
			return violation(w.rule, "handshake message %d came in place of a ClientHello", header[5])
		}
		w.pending, w.left = header, length-1
	}
	return nil
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	sent := 0
	for sent < len(p) {
		part := p[sent:]
		if w.written < w.trickle {
			part = part[:1]
		}
		if w.cut >= 0 && w.written+int64(len(part)) > w.cut {
			part = part[:w.cut-w.written]
		}
		if len(part) == 0 {
			_ = w.Conn.Close()
			return sent, errCut
		}
		n, err := w.Conn.Write(part)
		sent += n
		w.written += int64(n)
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// hasInput tells whether the client has sent something that was not read yet. It never waits. A TLS alert does
// not count: a client may end at any time.
func (w *wire) hasInput() bool {
	if len(w.pending) > 0 || w.left > 0 {
		return true
	}
	conn, ok := w.Conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	found := false
	first := make([]byte, 1)
	_ = raw.Read(func(fd uintptr) bool {
		n, _, err := syscall.Recvfrom(int(fd), first, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		found = err == nil && n == 1 && !(w.framed && first[0] == tlsAlert)
		return true
	})
	return found
}

// broken is what a client did against the specification.
type broken struct{ rule, text string }

func (b *broken) Error() string { return b.rule + ": " + b.text }

func violation(rule, format string, values ...any) error {
	return &broken{rule, fmt.Sprintf(format, values...)}
}

// refused is what ends a connection although the client did nothing wrong.
type refused struct{ text string }

func (r *refused) Error() string { return r.text }
