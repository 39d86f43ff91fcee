package nfc

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"vmdkbkp.test/vsphere/faults"
	"vmdkbkp.test/vsphere/tickets"
)

// decodeFragment decodes a fragment in the client's own way.
func decodeFragment(t testing.TB, code uint32, extra []byte, n int) []byte {
	t.Helper()
	switch code {
	case 0:
		if len(extra) != n {
			t.Fatalf("a stored fragment of %d bytes has %d", n, len(extra))
		}
		return extra
	case 1:
		r, err := zlib.NewReader(bytes.NewReader(extra))
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil || len(data) != n {
			t.Fatalf("zlib: %d bytes of %d, %v", len(data), n, err)
		}
		return data
	case 3:
		data := make([]byte, n)
		if int(binary.LittleEndian.Uint32(extra)) != n {
			t.Fatalf("skipz: for %d bytes, not %d", binary.LittleEndian.Uint32(extra), n)
		}
		for at := 8; at < len(extra); {
			place, length := binary.LittleEndian.Uint32(extra[at:]), int(binary.LittleEndian.Uint32(extra[at+4:]))
			copy(data[place:], extra[at+8:at+8+length])
			at += 8 + length
		}
		return data
	}
	t.Fatalf("compression %d", code)
	return nil
}

func TestACompleteSession(t *testing.T) {
	for _, settings := range []string{
		`{}`, `{"order":"shuffled"}`, `{"order":"mixed","odd":true}`, `{"order":"reversed"}`,
		`{"fragmentBytes":5000,"handles":"random"}`, `{"earlyAck":true}`, `{"tls13":true}`,
		`{"order":"mixed","latencyMs":3}`, `{"stored":"always"}`,
	} {
		for _, compression := range []uint32{0, 1, 3} {
			w := newWorld(t)
			w.set(settings)
			want := w.frozen()
			// What the machine writes after the snapshot must not appear.
			if _, err := w.machine.Disks[0].Disk.WriteAt(bytes.Repeat([]byte{0xEE}, 2<<20), 1<<19); err != nil {
				t.Fatal(err)
			}
			c := w.connect(opened, w.ticket(tickets.Ticket{}))
			var ranges [][2]uint64
			for at := uint64(0); at < capacityBytes; at += 1 << 20 {
				n := uint64(1 << 20)
				if n > capacityBytes-at {
					n = capacityBytes - at
				}
				ranges = append(ranges, [2]uint64{at, n})
			}
			got := bytes.Join(c.reads(compression, ranges...), nil)
			if !bytes.Equal(got, want) {
				t.Fatalf("%s, compression %d: other bytes", settings, compression)
			}
			c.end()
			if rule, clean := w.ended(); rule != "" || !clean {
				t.Fatalf("%s: rule %q, clean %v", settings, rule, clean)
			}
			counters := w.port.Journal.Counters()
			if counters["readsUnderWay"] != 0 || counters["disksOpen"] != 0 || counters["readsMost"] < 2 {
				t.Fatalf("%s: counters %v", settings, counters)
			}
		}
	}
}

func TestCompressionIsUsed(t *testing.T) {
	w := newWorld(t)
	c := w.connect(opened, w.ticket(tickets.Ticket{}))
	for _, q := range []struct {
		offset      uint64
		compression uint32
		want        uint32
	}{{0, 1, 0}, {0, 3, 0}, {4 << 20, 1, 1}, {4 << 20, 3, 0}, {1 << 20, 3, 3}, {2 << 20, 3, 3}, {1 << 20, 0, 0}} {
		c.write(c.record(7, c.readPayload(q.offset, 4096, q.compression)))
		_, _, p := c.answer()
		if got := binary.LittleEndian.Uint32(p[12:]); got != q.want {
			t.Errorf("at %d, %d was asked for: %d came", q.offset, q.compression, got)
		}
		data := decodeFragment(t, binary.LittleEndian.Uint32(p[12:]), c.receive(int(binary.LittleEndian.Uint32(p[36:]))), 4096)
		if !bytes.Equal(data, w.frozen()[q.offset:q.offset+4096]) {
			t.Errorf("at %d: other bytes", q.offset)
		}
	}
}

func TestWhatAnOpenTells(t *testing.T) {
	w := newWorld(t)
	c := w.connect(ready, w.ticket(tickets.Ticket{}))
	p := c.openFile(firstFile, 0x1E)
	if len(p) != 60 || binary.LittleEndian.Uint64(p[28:]) != capacityBytes || binary.LittleEndian.Uint32(p[36:]) != 512 ||
		binary.LittleEndian.Uint32(p[20:]) != 0x1E || binary.LittleEndian.Uint32(p[16:]) != 2 || c.handle>>31 != 1<<33-1 {
		t.Fatalf("% x", p)
	}
	// The bitmap of 100 chunks of 64 KiB: the first 5 MiB were written, nothing else.
	bitmap := func(chunk, start, count uint64) []byte {
		answer := c.call(13, join(quad(c.handle), quad(0), quad(chunk), quad(start), quad(count), quad(0)))
		if len(answer) != 48 || binary.LittleEndian.Uint64(answer[32:]) != count {
			t.Fatalf("% x", answer)
		}
		return c.receive(int((count + 31) / 32 * 4))
	}
	got := bitmap(65536, 0, 100)
	want := append(bytes.Repeat([]byte{0xFF}, 10), make([]byte, 6)...)
	if !bytes.Equal(got, want) {
		t.Fatalf("bitmap % x", got)
	}
	if got := bitmap(1<<20, 4<<20, 3); !bytes.Equal(got, []byte{1, 0, 0, 0}) {
		t.Fatalf("bitmap % x", got)
	}
	key := "adapterType"
	answer := c.call(11, join(quad(c.handle), words(uint32(len(key)), 0)), []byte(key)...)
	if value := string(c.receive(int(binary.LittleEndian.Uint32(answer[12:])))); value != "lsilogic" {
		t.Fatalf("%s is %q", key, value)
	}
	answer = c.call(11, join(quad(c.handle), words(8, 0)), []byte("sidecars")...)
	if binary.LittleEndian.Uint32(answer[12:]) != 0 {
		t.Fatal("a key that is not there has a value")
	}
	c.end()
	if rule, clean := w.ended(); rule != "" || !clean {
		t.Fatalf("rule %q, clean %v", rule, clean)
	}
}

func TestRefusedOpens(t *testing.T) {
	w := newWorld(t)
	other := tickets.Ticket{Key: 2001}
	live := "[ds 1] web 01/web 01-000001.vmdk"
	for _, q := range []struct {
		name, path string
		ticket     tickets.Ticket
		flags      uint32
		code       uint64
		text       string
	}{
		{"unknown file", "[ds 1] web 01/nothing.vmdk", tickets.Ticket{}, 0x1E, 4, "not found"},
		{"file that the machine writes to", live, tickets.Ticket{}, 0x1E, 1, "cannot be opened in multiwriter mode"},
		{"disk of another ticket", firstFile, other, 0x1E, 11, "permission check failed for file '" + firstFile + "', access = 1"},
		{"writing with a ticket to read", firstFile, tickets.Ticket{}, 0x1A, 11, "permission check failed"},
		{"writing below a snapshot", firstFile, tickets.Ticket{Write: true}, 0x1A, 11, "children"},
	} {
		for _, settings := range []string{`{"noErrorReply":false}`, `{"noErrorReply":true}`} {
			w.set(settings)
			c := w.connect(ready, w.ticket(q.ticket))
			c.write(c.record(4, openPayload(q.path, q.flags), []byte(q.path)...))
			code, text := c.refusal()
			if code != q.code || !strings.Contains(text, q.text) {
				t.Errorf("%s: %d %q", q.name, code, text)
			}
			if strings.Contains(settings, "false") {
				if _, _, p := c.answer(); !bytes.Equal(p, make([]byte, 60)) {
					t.Errorf("%s: the reply is % x", q.name, p)
				}
			}
			// After a refused open the connection goes on.
			c.end()
			if rule, clean := w.ended(); rule != "" || !clean {
				t.Errorf("%s: rule %q, clean %v", q.name, rule, clean)
			}
		}
	}
	w.port.Inventory.SetLocked(w.machine.Disks[0], true)
	c := w.connect(ready, w.ticket(tickets.Ticket{}))
	c.write(c.record(4, openPayload(firstFile, 0x1E), []byte(firstFile)...))
	if _, text := c.refusal(); !strings.Contains(text, "16392") {
		t.Errorf("locked: %q", text)
	}
}

func TestWritingADisk(t *testing.T) {
	w := newWorld(t)
	w.running = false
	live := "[ds 1] web 01/web 01-000001.vmdk"
	c := w.connect(ready, w.ticket(tickets.Ticket{Key: 2000, Write: true}))
	c.openFile(live, 0x1A)
	data := bytes.Repeat([]byte("written "), 150*512/8)
	fragment := func(sequence, compression, place uint32, part, extra []byte) string {
		payload := join(quad(c.handle), words(0, compression), quad(4096), words(uint32(len(data)), place, uint32(len(part)),
			uint32(len(extra)), 0))
		return string(words(0xA100DA7A, 7, 44, sequence)) + string(payload) + string(extra)
	}
	sequence := c.sequence
	c.sequence++
	c.write(fragment(sequence, 0, 0, data[:65536], data[:65536]))
	part := data[65536:]
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	_, _ = z.Write(part)
	_ = z.Close()
	c.write(fragment(sequence, 1, 65536, part, packed.Bytes()))
	_, gotSequence, p := c.answer()
	if gotSequence != sequence || binary.LittleEndian.Uint32(p[24:]) != uint32(len(data)) || binary.LittleEndian.Uint32(p[32:]) != uint32(len(data)) {
		t.Fatalf("sequence %d, % x", gotSequence, p)
	}
	if got := c.reads(0, [2]uint64{4096, uint64(len(data))})[0]; !bytes.Equal(got, data) {
		t.Fatal("other bytes are read than were written")
	}
	c.end()
	if rule, clean := w.ended(); rule != "" || !clean {
		t.Fatalf("rule %q, clean %v", rule, clean)
	}
}

func TestATicketOfAVCenterAndAnOldHost(t *testing.T) {
	w := newWorld(t)
	w.port.Tickets.VCenter, w.port.Tickets.Host, w.port.Version = true, "127.0.0.9", 9
	issued := w.port.Tickets.Issue(tickets.Ticket{Machine: "vm-7"})
	if issued.Host != "127.0.0.9" || issued.Service != "vpxa-nfc" {
		t.Fatalf("host %q, service %q", issued.Host, issued.Service)
	}
	c := w.connect(opened, issued.SessionId)
	if got := c.reads(1, [2]uint64{4 << 20, 1 << 20})[0]; !bytes.Equal(got, w.frozen()[4<<20:5<<20]) {
		t.Fatal("other bytes")
	}
	c.end()
	if rule, clean := w.ended(); rule != "" || !clean {
		t.Fatalf("rule %q, clean %v", rule, clean)
	}
}

func TestTheClearTransport(t *testing.T) {
	w := newWorld(t)
	c := w.connect(secure, "")
	ticket := w.ticket(tickets.Ticket{})
	c.write("SESSION " + ticket + "\r\nBANNER \r\n")
	c.line()
	c.write("THUMBPRINT_SHA2 " + c.token + "\r\n")
	c.line()
	c.write("PROXY nfc\r\n")
	c.expectLine("200 Connect ha-nfc")
	c.tls = nil
	c.shake()
	c.begin()
	c.openFile(firstFile, 0x1E)
	if got := c.reads(3, [2]uint64{0, 1 << 20})[0]; !bytes.Equal(got, w.frozen()[:1<<20]) {
		t.Fatal("other bytes")
	}
	c.end()
	if rule, clean := w.ended(); rule != "" || !clean {
		t.Fatalf("rule %q, clean %v", rule, clean)
	}
}

func TestTheOtherEnd(t *testing.T) {
	w := newWorld(t)
	c := w.connect(opened, w.ticket(tickets.Ticket{}))
	c.call(5, join(quad(c.handle), quad(0)))
	c.call(3, make([]byte, 16))
	_ = c.tcp.Close()
	if rule, clean := w.ended(); rule != "" || !clean {
		t.Fatalf("rule %q, clean %v", rule, clean)
	}
}

func TestTicketsAreGoodOnce(t *testing.T) {
	w := newWorld(t)
	proxy := func(ticket string) string {
		c := w.connect(secure, "")
		c.write("SESSION " + ticket + "\r\nBANNER \r\n")
		c.line()
		c.write("THUMBPRINT_SHA2 x\r\n")
		c.line()
		c.write("PROXY nfcssl\r\n")
		line := c.line()
		_ = c.tcp.Close()
		return line
	}
	good := w.ticket(tickets.Ticket{})
	if line := proxy(good); line != "200 Connect ha-nfcssl" {
		t.Fatal(line)
	}
	for name, ticket := range map[string]string{"used": good, "unknown": "52aa", "expired": ""} {
		want := ""
		switch name {
		case "used":
			want = "ticket-used"
		case "expired":
			w.port.Faults.Arm(faults.Fault{At: "ticket", Kind: "expired", Count: 1})
			ticket = w.ticket(tickets.Ticket{})
		}
		if line := proxy(ticket); !strings.HasPrefix(line, "530 ") {
			t.Errorf("%s: %q", name, line)
		}
		if rule, _ := w.ended(); rule != want {
			t.Errorf("%s: rule %q", name, rule)
		}
	}
}

func TestLatencyIsOverlapped(t *testing.T) {
	w := newWorld(t)
	w.set(`{"latencyMs":1000}`)
	c := w.connect(opened, w.ticket(tickets.Ticket{}))
	var ranges [][2]uint64
	for i := uint64(0); i < 16; i++ {
		ranges = append(ranges, [2]uint64{i * 4096, 4096})
	}
	begin := time.Now()
	c.reads(0, ranges...)
	// One after the other they would take 16 s.
	if took := time.Since(begin); took < time.Second || took > 10*time.Second {
		t.Fatalf("16 reads at once took %v", took)
	}
	if most := w.port.Journal.Counters()["readsMostOnOne"]; most != 16 {
		t.Fatalf("%d reads were under way", most)
	}
}

func TestCutsAtEveryByte(t *testing.T) {
	w := newWorld(t)
	// How much the server sends in a whole session is found by cutting far behind its end.
	for cut := int64(0); cut < 9000; cut += 97 {
		w.port.Faults.Arm(faults.Fault{At: "connection", Kind: "cut", Bytes: cut, Count: 1})
		tcp, err := net.Dial("tcp", w.address)
		if err != nil {
			t.Fatal(err)
		}
		c := &client{TB: t, w: w, tcp: tcp, token: "x"}
		_ = tcp.SetDeadline(time.Now().Add(20 * time.Second))
		total := 0
		func() {
			line := make([]byte, 0, 200)
			for !bytes.HasSuffix(line, []byte("\n")) {
				one := make([]byte, 1)
				n, err := tcp.Read(one)
				if total += n; err != nil {
					return
				}
				line = append(line, one[0])
			}
			counted := &counting{Conn: tcp, n: &total}
			c.tcp = counted
			if c.startTLS() != nil {
				return
			}
			if _, err := c.tls.Write([]byte("SESSION " + w.ticket(tickets.Ticket{}) + "\r\nBANNER \r\n")); err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, c.tls)
		}()
		if int64(total) > cut || (int64(total) < cut && cut < 1000) {
			t.Fatalf("cut at %d: %d bytes came", cut, total)
		}
		_ = tcp.Close()
		w.port.Faults.Clear(0)
	}
}

type counting struct {
	net.Conn
	n *int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	*c.n += n
	if err == nil && *c.n > 1500 {
		err = fmt.Errorf("far enough")
	}
	return n, err
}
