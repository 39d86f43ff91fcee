package nfc

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"strings"
	"testing"
	"time"

	"vmdkbkp.test/vsphere/faults"
	"vmdkbkp.test/vsphere/tickets"
)

// careful reads a range with all checks that the specification asks of a client.
func (c *client) careful(offset, length uint64, compression uint32) ([]byte, error) {
	if _, err := c.tls.Write([]byte(c.record(7, c.readPayload(offset, length, compression)))); err != nil {
		return nil, err
	}
	data, covered := make([]byte, length), make([]bool, length)
	for left := int(length); left > 0; {
		header := make([]byte, 16)
		if _, err := io.ReadFull(c.tls, header); err != nil {
			return nil, fmt.Errorf("header: %w", err)
		}
		u := func(at int) uint32 { return binary.LittleEndian.Uint32(header[at:]) }
		switch {
		case u(0) != 0xA100DA7A:
			return nil, errors.New("magic")
		case u(4) == 1:
			return nil, errors.New("error record")
		case u(4) != 7:
			return nil, errors.New("opcode")
		case u(8) != 44:
			return nil, errors.New("payload length")
		case u(12) != c.sequence-1:
			return nil, errors.New("sequence")
		}
		p := make([]byte, 44)
		if _, err := io.ReadFull(c.tls, p); err != nil {
			return nil, fmt.Errorf("payload: %w", err)
		}
		u = func(at int) uint32 { return binary.LittleEndian.Uint32(p[at:]) }
		place, n, extraBytes := u(28), u(32), u(36)
		switch {
		case binary.LittleEndian.Uint64(p) != 0:
			return nil, errors.New("status")
		case u(8) != 1:
			return nil, errors.New("direction")
		case binary.LittleEndian.Uint64(p[16:]) != offset:
			return nil, errors.New("offset")
		case uint64(u(24)) != length:
			return nil, errors.New("total")
		case u(40) != 0:
			return nil, errors.New("reserved")
		case n == 0 || uint64(place)+uint64(n) > length:
			return nil, errors.New("place")
		case extraBytes > n:
			return nil, errors.New("extra")
		}
		extra := make([]byte, extraBytes)
		if _, err := io.ReadFull(c.tls, extra); err != nil {
			return nil, fmt.Errorf("extra: %w", err)
		}
		part, err := carefulDecode(u(12), extra, int(n))
		if err != nil {
			return nil, err
		}
		for i := range part {
			if covered[int(place)+i] {
				return nil, errors.New("overlap")
			}
			covered[int(place)+i] = true
		}
		copy(data[place:], part)
		left -= int(n)
	}
	return data, nil
}

func carefulDecode(code uint32, extra []byte, n int) ([]byte, error) {
	switch code {
	case 0:
		if len(extra) != n {
			return nil, errors.New("stored")
		}
		return extra, nil
	case 1:
		in := bytes.NewReader(extra)
		r, err := zlib.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("zlib: %w", err)
		}
		data, err := io.ReadAll(io.LimitReader(r, int64(n)+1))
		if err != nil || len(data) != n || in.Len() > 0 {
			return nil, fmt.Errorf("zlib: %d bytes, %d left, %v", len(data), in.Len(), err)
		}
		return data, nil
	case 3:
		if len(extra) < 8 || binary.LittleEndian.Uint64(extra) != uint64(n) {
			return nil, errors.New("skipz header")
		}
		data, end := make([]byte, n), uint64(0)
		for at := 8; at < len(extra); {
			if len(extra)-at < 8 {
				return nil, errors.New("skipz segment")
			}
			place, length := uint64(binary.LittleEndian.Uint32(extra[at:])), uint64(binary.LittleEndian.Uint32(extra[at+4:]))
			at += 8
			if place < end || place+length > uint64(n) || length > uint64(len(extra)-at) {
				return nil, errors.New("skipz segment")
			}
			copy(data[place:], extra[at:at+int(length)])
			end = place + length
			at += int(length)
		}
		return data, nil
	}
	return nil, errors.New("code")
}

func TestEachFaultOfAFragmentIsSeen(t *testing.T) {
	wants := map[string]string{
		"missing": "header", "twice": "overlap", "overlap": "overlap", "status": "status", "direction": "direction",
		"offset": "offset", "total": "total", "place": "overlap", "outside": "place", "bytes": "stored",
		"bytes-short": "extra", "empty": "place", "huge": "extra", "extra-short": "stored", "code": "code",
		"fastlz": "code", "sequence": "sequence", "reserved": "reserved", "flip": "bytes", "zlib-long": "zlib",
		"zlib-short": "zlib", "zlib-bomb": "zlib", "zlib-cut": "zlib", "zlib-trailing": "zlib",
		"zlib-checksum": "zlib", "zlib-garbage": "zlib", "skipz-outside": "skipz", "skipz-far": "skipz",
		"skipz-overlap": "skipz", "skipz-length": "skipz", "skipz-cut": "skipz", "skipz-header": "skipz",
		"cut": "extra", "garbage": "magic",
	}
	for _, kind := range faults.Kinds("fragment") {
		want := wants[kind]
		if want == "" {
			t.Errorf("%s: nothing is expected", kind)
			continue
		}
		// The stored parts of the disk, and for the faults of zlib those that shrink.
		offset, compression := uint64(0), uint32(0)
		if strings.HasPrefix(kind, "zlib") {
			offset, compression = 4<<20, 1
		}
		w := newWorld(t)
		fault := faults.Fault{At: "fragment", Kind: kind, Skip: 1, Count: 1, Code: 5, Bytes: 65536}
		if kind == "bytes" || kind == "missing" {
			// A fragment in front of the last, so that there is room behind it, and the last.
			fault.Skip = map[string]int{"bytes": 0, "missing": 1}[kind]
		}
		w.port.Faults.Arm(fault)
		c := w.connect(opened, w.ticket(tickets.Ticket{}))
		if kind == "missing" {
			_ = c.tcp.SetDeadline(time.Now().Add(300 * time.Millisecond))
		}
		length := uint64(3 * 65536)
		if kind == "missing" {
			length = 2 * 65536
		}
		data, err := c.careful(offset, length, compression)
		switch {
		case kind == "flip":
			if err != nil || bytes.Equal(data, w.frozen()[:length]) {
				t.Errorf("flip: the bytes are right, or %v", err)
			}
		case err == nil || !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v came, %q was expected", kind, err, want)
		}
		if len(w.port.Faults.Armed()) > 0 {
			t.Errorf("%s: did not happen", kind)
		}
		_ = c.tcp.Close()
	}
}

func TestErrorsOnEveryOpcode(t *testing.T) {
	for _, reply := range []bool{false, true} {
		for _, opcode := range []uint32{2, 9, 22, 4, 7, 11, 13, 5, 3} {
			w := newWorld(t)
			w.port.Faults.Arm(faults.Fault{
				At: "record", Kind: "error", Opcode: opcode, Code: 77, Text: "as told", Reply: reply, Count: 1,
			})
			c := w.connect(shaken, w.ticket(tickets.Ticket{}))
			requests := map[uint32]func() string{
				2:  func() string { return c.record(2, words(0, 65536, 4, 0)) },
				9:  func() string { return c.record(9, make([]byte, 12)) },
				22: func() string { return c.record(22, words(1)) },
				4:  func() string { return c.record(4, openPayload(firstFile, 0x1E), []byte(firstFile)...) },
				7:  func() string { return c.record(7, c.readPayload(0, 512, 0)) },
				11: func() string { return c.record(11, join(quad(c.handle), words(4, 0)), []byte("uuid")...) },
				13: func() string {
					return c.record(13, join(quad(c.handle), quad(0), quad(1<<20), quad(0), quad(1), quad(0)))
				},
				5: func() string { return c.record(5, quad(c.handle)) },
				3: func() string { return c.record(3, make([]byte, 4)) },
			}
			for _, before := range []uint32{2, 9, 22, 4, 11, 13, 7, 5, 3} {
				if before == 3 && opcode != 3 {
					break
				}
				c.write(requests[before]())
				if before == opcode {
					break
				}
				_, _, p := c.answer()
				switch before {
				case 4:
					c.handle = binary.LittleEndian.Uint64(p[8:])
				case 11:
					c.receive(int(binary.LittleEndian.Uint32(p[12:])))
				case 13:
					c.receive(4)
				case 7:
					c.receive(512)
				}
			}
			if code, text := c.refusal(); code != 77 || text != "as told" {
				t.Fatalf("opcode %d: %d %q", opcode, code, text)
			}
			if reply {
				if got, _, _ := c.answer(); got != opcode {
					t.Fatalf("opcode %d: the reply has %d", opcode, got)
				}
			}
			_ = c.tcp.Close()
			if rule, clean := w.ended(); rule != "" || clean {
				t.Fatalf("opcode %d: rule %q, clean %v", opcode, rule, clean)
			}
		}
	}
}

func TestFaultsOfRecords(t *testing.T) {
	for _, kind := range faults.Kinds("record") {
		w := newWorld(t)
		w.port.Faults.Arm(faults.Fault{At: "record", Kind: kind, Opcode: 7, Count: 1, Code: 9, Bytes: 13, Ms: 100})
		c := w.connect(opened, w.ticket(tickets.Ticket{}))
		if kind == "silence" {
			_ = c.tcp.SetDeadline(time.Now().Add(300 * time.Millisecond))
		}
		begin := time.Now()
		data, err := c.careful(0, 512, 0)
		want := map[string]string{
			"error": "error record", "status": "status", "magic": "magic", "opcode": "opcode", "length": "payload length",
			"sequence": "sequence", "garbage": "magic", "silence": "timeout", "close": "EOF",
		}[kind]
		if kind == "slow" {
			if err != nil || !bytes.Equal(data, w.frozen()[:512]) || time.Since(begin) < 100*time.Millisecond {
				t.Errorf("slow: %v after %v", err, time.Since(begin))
			}
		} else if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v came, %q was expected", kind, err, want)
		}
		_ = c.tcp.Close()
	}
}

// Each answer can be spoilt in each way: those of 22 and 3 have four bytes and no room for a status of eight.
func TestFaultsOfShortRecords(t *testing.T) {
	for _, opcode := range []uint32{2, 3, 4, 5, 7, 9, 11, 13, 22} {
		for _, kind := range faults.Kinds("record") {
			s := &session{random: rand.New(rand.NewSource(1))}
			r := request{opcode: opcode, payload: make([]byte, 4)}
			func() {
				defer func() {
					if problem := recover(); problem != nil {
						t.Errorf("opcode %d, %s: %v", opcode, kind, problem)
					}
				}()
				_ = s.spoiledRecord(r, faults.Fault{Kind: kind, Code: 1 << 40, Bytes: 13})
			}()
		}
	}
}

// firstLine returns what the server greets with.
func (w *world) firstLine(patience time.Duration) string {
	tcp, err := net.Dial("tcp", w.address)
	if err != nil {
		w.t.Fatal(err)
	}
	defer tcp.Close()
	_ = tcp.SetDeadline(time.Now().Add(patience))
	line, _ := bufio.NewReader(tcp).ReadString('\n')
	return line
}

func TestFaultsOfTheGreeting(t *testing.T) {
	w := newWorld(t)
	for kind, check := range map[string]func(string) bool{
		"text":      func(s string) bool { return s == "421 busy\r\n" },
		"long":      func(s string) bool { return len(s) > 1024 },
		"no-ssl":    func(s string) bool { return s != "" && !strings.Contains(s, "NFCSSL") },
		"no-sha256": func(s string) bool { return s != "" && !strings.Contains(s, "SHA256") },
		"slow":      func(s string) bool { return s == greeting },
		"silence":   func(s string) bool { return s == "" },
		"close":     func(s string) bool { return s == "" },
	} {
		w.port.Faults.Arm(faults.Fault{At: "greeting", Kind: kind, Text: "421 busy\r\n", Ms: 50, Count: 1})
		patience := 20 * time.Second
		if kind == "silence" {
			patience = 300 * time.Millisecond
		}
		if line := w.firstLine(patience); !check(line) {
			t.Errorf("%s: %q", kind, line)
		}
	}
	if line := w.firstLine(20 * time.Second); line != greeting {
		t.Errorf("without a fault: %q", line)
	}
}

func TestFaultsOfCertificates(t *testing.T) {
	for _, where := range []string{"session1", "session2"} {
		for _, kind := range faults.Kinds("tls") {
			w := newWorld(t)
			w.port.Faults.Arm(faults.Fault{At: "tls", Kind: kind, When: where, Count: 1})
			stage := connected
			if where == "session2" {
				stage = granted
			}
			c := w.connect(stage, w.ticket(tickets.Ticket{}))
			err := c.startTLS()
			if kind == "forged" {
				if err == nil {
					t.Errorf("%s in %s: the handshake succeeds", kind, where)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			leaf := c.tls.ConnectionState().PeerCertificates[0]
			isGood := bytes.Equal(leaf.Raw, chain.Get("").Certificate[0])
			if isGood || (leaf.Version == 1) != (kind == "v1") {
				t.Errorf("%s in %s: the good one %v, version %d", kind, where, isGood, leaf.Version)
			}
		}
	}
}

func TestFaultsOfTheDialogue(t *testing.T) {
	for _, q := range []struct {
		fault faults.Fault
		line  int
		want  func(string) bool
	}{
		{faults.Fault{Kind: "banner", Text: "500 no\r\n"}, 0, func(s string) bool { return s == "500 no" }},
		{faults.Fault{Kind: "thumbprint"}, 1, func(s string) bool { return strings.HasPrefix(s, "200 ") }},
		{faults.Fault{Kind: "thumbprint-text", Text: "501 no\r\n"}, 1, func(s string) bool { return s == "501 no" }},
		{faults.Fault{Kind: "refuse", Text: "550 no\r\n"}, 2, func(s string) bool { return s == "550 no" }},
		{faults.Fault{Kind: "grant", Text: "200 Connect other\r\n"}, 2, func(s string) bool { return s == "200 Connect other" }},
	} {
		w := newWorld(t)
		good := []string{}
		for _, fault := range []bool{false, true} {
			if fault {
				q.fault.At, q.fault.Count = "dialogue", 1
				w.port.Faults.Arm(q.fault)
			}
			c := w.connect(secure, "")
			c.write("SESSION " + w.ticket(tickets.Ticket{}) + "\r\n")
			for i, line := range []string{"BANNER \r\n", "THUMBPRINT_SHA2 x\r\n", "PROXY nfcssl\r\n"} {
				c.write(line)
				got := c.line()
				if !fault {
					good = append(good, got)
				} else if i == q.line {
					if !q.want(got) || got == good[i] {
						t.Errorf("%s: %q", q.fault.Kind, got)
					}
					break
				} else if got != good[i] {
					t.Errorf("%s: line %d is %q", q.fault.Kind, i, got)
				}
			}
			_ = c.tcp.Close()
		}
	}
}

func TestFaultsOfTheHandshake(t *testing.T) {
	for _, kind := range faults.Kinds("handshake") {
		for _, message := range []uint64{36, 51, 52} {
			w := newWorld(t)
			w.port.Faults.Arm(faults.Fault{At: "handshake", Kind: kind, Code: message, Bytes: 77, Count: 1})
			c := w.connect(secondTLS, w.ticket(tickets.Ticket{}))
			for _, p := range [][]byte{join(words(43), []byte(c.token)), words(33), words(51, 11)} {
				c.write(string(append(p, make([]byte, 264-len(p))...)))
			}
			var got []byte
			if message == 52 {
				c.receive(528)
				for _, p := range [][]byte{words(54, 6, 7), words(55, 3), words(52)} {
					p = append(p, make([]byte, 264-len(p))...)
					if p[0] == 54 {
						p = append(p, "testernbdmode"...)
					}
					c.write(string(p))
				}
			} else if message == 51 {
				c.receive(264)
			}
			if kind == "silence" {
				_ = c.tcp.SetDeadline(time.Now().Add(300 * time.Millisecond))
			}
			got, _ = io.ReadAll(io.LimitReader(c.tls, 264))
			kindOf := func(n uint32) bool { return len(got) == 264 && binary.LittleEndian.Uint32(got) == n }
			ok := map[string]bool{
				"refuse": kindOf(4), "type": kindOf(77), "silence": len(got) == 0, "close": len(got) == 0, "short": len(got) == 77,
				"version": kindOf(uint32(message)) && binary.LittleEndian.Uint32(got[4:]) == 77,
			}[kind]
			if !ok {
				t.Errorf("%s for message %d: %d bytes", kind, message, len(got))
			}
			_ = c.tcp.Close()
		}
	}
}

func TestOneByteAtATime(t *testing.T) {
	w := newWorld(t)
	w.port.Faults.Arm(faults.Fault{At: "connection", Kind: "trickle", Bytes: 20000, Count: 1})
	c := w.connect(opened, w.ticket(tickets.Ticket{}))
	data, err := c.careful(0, 65536, 0)
	if err != nil || !bytes.Equal(data, w.frozen()[:65536]) {
		t.Fatalf("other bytes, %v", err)
	}
	c.end()
	if rule, clean := w.ended(); rule != "" || !clean {
		t.Fatalf("rule %q, clean %v", rule, clean)
	}
}

func TestStoredFragmentsThatLookCompressed(t *testing.T) {
	w := newWorld(t)
	w.set(`{"stored":"asked"}`)
	icon := make([]byte, 65536)
	rand.New(rand.NewSource(1)).Read(icon)
	copy(icon, []byte{0, 0, 1, 0})
	w.running = false
	if _, err := w.machine.Disks[0].Disk.WriteAt(icon, 0); err != nil {
		t.Fatal(err)
	}
	c := w.connect(ready, w.ticket(tickets.Ticket{}))
	c.openFile("[ds 1] web 01/web 01-000001.vmdk", 0x1E)
	c.write(c.record(7, c.readPayload(0, 65536, 3)))
	_, _, p := c.answer()
	if binary.LittleEndian.Uint32(p[12:]) != 3 || binary.LittleEndian.Uint32(p[36:]) != 65536 {
		t.Fatalf("% x", p)
	}
	if got := c.receive(65536); !bytes.Equal(got, icon) {
		t.Fatal("other bytes")
	}
}

func TestTheMostSegments(t *testing.T) {
	// 7280 single bytes with 8 zeros between are the most that a fragment can have and still shrink.
	data := make([]byte, 65536)
	for i := 0; i < 7280; i++ {
		data[i*9] = 1
	}
	code, extra := compress(3, data)
	if code != 3 || len(extra) != 8+9*7280 {
		t.Fatalf("code %d, %d bytes", code, len(extra))
	}
	decoded, err := carefulDecode(3, extra, 65536)
	if err != nil || !bytes.Equal(decoded, data) {
		t.Fatal(err)
	}
	data[65535] = 1
	if code, _ := compress(3, data); code != 0 {
		t.Fatalf("code %d", code)
	}
}
