package nfc

// A client for tests, written from the specification and not from the server: each step can be made wrong.

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vmdkbkp.test/vsphere/certs"
	"vmdkbkp.test/vsphere/disk"
	"vmdkbkp.test/vsphere/faults"
	"vmdkbkp.test/vsphere/inventory"
	"vmdkbkp.test/vsphere/journal"
	"vmdkbkp.test/vsphere/tickets"
)

const capacityBytes = 8<<20 + 3*512

// world is a data port with one machine that has two disks.
type world struct {
	t       testing.TB
	address string
	port    *Port
	machine *inventory.Machine
	running bool
	log     *safeBuffer
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) events() []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []map[string]any
	for _, line := range strings.Split(strings.TrimSpace(s.b.String()), "\n") {
		var event map[string]any
		if json.Unmarshal([]byte(line), &event) == nil {
			all = append(all, event)
		}
	}
	return all
}

var chain *certs.Chain

const firstFile, secondFile = "[ds 1] web 01/web 01.vmdk", "[ds 1] web 01/web 01_1.vmdk"

func newWorld(t testing.TB) *world {
	t.Helper()
	if chain == nil {
		made, err := certs.New()
		if err != nil {
			t.Fatal(err)
		}
		chain = made
	}
	w := &world{t: t, log: &safeBuffer{}, running: true}
	events, armed := journal.New(w.log), &faults.Set{}
	folder := t.TempDir()
	w.machine = &inventory.Machine{Ref: "vm-7", Name: "web 01"}
	for i, file := range []string{firstFile, secondFile} {
		opened, err := disk.Open(filepath.Join(folder, fmt.Sprint(i)), folder, capacityBytes)
		if err != nil {
			t.Fatal(err)
		}
		w.machine.Disks = append(w.machine.Disks, &inventory.MachineDisk{
			Key: int32(2000 + i), Disk: opened, Live: &inventory.Link{File: file}, Tracked: true,
		})
	}
	// Random bytes, zeros, and zeros with single bytes, so that fragments shrink in different ways.
	random := rand.New(rand.NewSource(3))
	content := make([]byte, 5<<20)
	random.Read(content[:1<<20])
	for i := 2 << 20; i < 3<<20; i += 1 + random.Intn(5000) {
		content[i] = byte(1 + random.Intn(255))
	}
	copy(content[4<<20:], bytes.Repeat([]byte("all work and no play "), 50000))
	if _, err := w.machine.Disks[0].Disk.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	inv := inventory.New(func(string) bool { return w.running })
	inv.Add(w.machine)
	store := &tickets.Store{Certs: chain, Faults: armed, Journal: events}
	w.port = &Port{Journal: events, Faults: armed, Certs: chain, Inventory: inv, Tickets: store, Version: 11}
	if err := inv.Freeze(w.machine, "snapshot-1"); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.address = listener.Addr().String()
	go w.port.Serve(listener)
	t.Cleanup(func() {
		_ = listener.Close()
		w.port.CutAll()
		inv.Remove("vm-7")
	})
	return w
}

func (w *world) frozen() []byte {
	all := make([]byte, capacityBytes)
	if _, err := w.machine.Disks[0].Disk.ReadAt(all, 0); err != nil {
		w.t.Fatal(err)
	}
	return all
}

func (w *world) set(settings string) {
	if err := w.port.Faults.Change([]byte(settings)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) ticket(t tickets.Ticket) string {
	t.Machine = "vm-7"
	return w.port.Tickets.Issue(t).SessionId
}

// ended waits for the end of the newest connection and returns its rule, "" if none was broken, and whether it
// ended as it should.
func (w *world) ended() (rule string, clean bool) {
	w.t.Helper()
	for tries := 0; tries < 2000; tries++ {
		events, isOver := w.log.events(), false
		newest := any(nil)
		for _, event := range events {
			if event["event"] == "connect" {
				isOver, rule, newest = false, "", event["connection"]
			}
			if event["connection"] != newest {
				continue
			}
			switch event["event"] {
			case "violation":
				rule = event["rule"].(string)
			case "disconnect":
				isOver, clean = true, event["clean"].(bool)
			}
		}
		if isOver {
			return rule, clean
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.t.Fatal("the connection does not end")
	return "", false
}

// client is one connection.
type client struct {
	testing.TB
	w        *world
	tcp      net.Conn
	tls      *tls.Conn
	greeting string
	sequence uint32
	handle   uint64
	token    string
	gate     *gate
}

// gate is a connection that can hold back what is written.
type gate struct {
	net.Conn
	held *bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	if g.held != nil {
		return g.held.Write(p)
	}
	return g.Conn.Write(p)
}

// stages of a connection, each with those before it.
const (
	connected = iota
	secure    // the first TLS session
	granted   // the dialogue is over
	secondTLS
	shaken // the handshake is over
	ready  // 2, 9 and 22 are answered
	opened // the disk is open
)

// connect makes a connection and brings it to a stage.
func (w *world) connect(stage int, ticket string) *client {
	w.t.Helper()
	tcp, err := net.Dial("tcp", w.address)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = tcp.SetDeadline(time.Now().Add(60 * time.Second))
	w.t.Cleanup(func() { _ = tcp.Close() })
	held := &gate{Conn: tcp}
	c := &client{TB: w.t, w: w, tcp: held, gate: held, token: "QWxhZGRpbjpvcGVu"}
	c.greeting = c.line()
	if stage >= secure {
		c.must(c.startTLS())
	}
	if stage >= granted {
		c.write("SESSION " + ticket + "\r\n")
		c.write("BANNER \r\n")
		c.expectLine("220 VMware Authentication Daemon")
		c.write("THUMBPRINT_SHA2 " + c.token + "\r\n")
		sum := sha256.Sum256(c.tls.ConnectionState().PeerCertificates[0].Raw)
		if got, want := c.line(), "200 "+strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":"); got != want {
			c.Fatalf("the thumbprint is %q, not %q", got, want)
		}
		service := "nfc"
		if w.port.Tickets.VCenter {
			service = "vpxa-nfc"
		}
		c.write("PROXY " + service + "ssl\r\n")
		c.expectLine("200 Connect ha-nfcssl")
	}
	if stage >= secondTLS {
		c.must(c.startTLS())
	}
	if stage >= shaken {
		c.shake()
	}
	if stage >= ready {
		c.begin()
	}
	if stage >= opened {
		c.openFile(firstFile, 0x1E)
	}
	return c
}

func (c *client) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// startTLS begins a TLS session on the connection, as if there had been none before.
func (c *client) startTLS() error {
	session := tls.Client(c.tcp, &tls.Config{InsecureSkipVerify: true, DynamicRecordSizingDisabled: true})
	if err := session.Handshake(); err != nil {
		return err
	}
	c.tls = session
	return nil
}

func (c *client) stream() io.ReadWriter {
	if c.tls != nil {
		return c.tls
	}
	return c.tcp
}

func (c *client) write(text string) {
	c.Helper()
	_, err := c.stream().Write([]byte(text))
	c.must(err)
}

func (c *client) line() string {
	c.Helper()
	var line []byte
	for !bytes.HasSuffix(line, []byte("\r\n")) {
		one := make([]byte, 1)
		if _, err := c.stream().Read(one); err != nil {
			c.Fatalf("after %q: %v", line, err)
		}
		line = append(line, one[0])
	}
	return string(line[:len(line)-2])
}

func (c *client) expectLine(prefix string) {
	c.Helper()
	if got := c.line(); !strings.HasPrefix(got, prefix) {
		c.Fatalf("%q came, %q was expected", got, prefix)
	}
}

// words makes bytes of 32-bit numbers.
func words(values ...uint32) []byte {
	p := make([]byte, 4*len(values))
	for i, v := range values {
		binary.LittleEndian.PutUint32(p[4*i:], v)
	}
	return p
}

// message makes 264 bytes that begin with the given ones.
func message(parts ...[]byte) []byte {
	p := make([]byte, 264)
	copy(p, bytes.Join(parts, nil))
	return p
}

func (c *client) receive(n int) []byte {
	c.Helper()
	p := make([]byte, n)
	if _, err := io.ReadFull(c.stream(), p); err != nil {
		c.Fatalf("receive %d bytes: %v", n, err)
	}
	return p
}

func (c *client) expectMessage(kind uint32) []byte {
	c.Helper()
	p := c.receive(264)
	if got := binary.LittleEndian.Uint32(p); got != kind {
		c.Fatalf("message %d came, %d was expected", got, kind)
	}
	return p
}

const clientName, operation = "tester", "nbdmode"

func (c *client) shake() {
	c.Helper()
	c.write(string(message(words(43), []byte(c.token))))
	c.write(string(message(words(33))))
	c.write(string(message(words(51, 11))))
	if ack := c.expectMessage(36); ack[16] != 1 {
		c.Fatal("message 36 has no 1 at 16")
	}
	version := c.expectMessage(51)
	if got := binary.LittleEndian.Uint32(version[4:]); got != c.w.port.Version {
		c.Fatalf("version %d", got)
	}
	c.write(string(message(words(54, uint32(len(clientName)), uint32(len(operation))))) + clientName + operation)
	c.write(string(message(words(55, 3))))
	c.write(string(message(words(52))))
	c.expectMessage(52)
}

// record makes a record with the next sequence.
func (c *client) record(opcode uint32, payload []byte, extra ...byte) string {
	p := words(0xA100DA7A, opcode, uint32(len(payload)), c.sequence)
	c.sequence++
	return string(p) + string(payload) + string(extra)
}

// answer reads a record without its extra.
func (c *client) answer() (opcode, sequence uint32, payload []byte) {
	c.Helper()
	header := c.receive(16)
	if binary.LittleEndian.Uint32(header) != 0xA100DA7A {
		c.Fatalf("a record begins with % x", header[:4])
	}
	payload = c.receive(int(binary.LittleEndian.Uint32(header[8:])))
	return binary.LittleEndian.Uint32(header[4:]), binary.LittleEndian.Uint32(header[12:]), payload
}

// call sends a record and reads its answer, which must not be an error.
func (c *client) call(opcode uint32, payload []byte, extra ...byte) []byte {
	c.Helper()
	sequence := c.sequence
	c.write(c.record(opcode, payload, extra...))
	gotOpcode, gotSequence, answer := c.answer()
	if gotOpcode != opcode || gotSequence != sequence {
		c.Fatalf("opcode %d sequence %d was answered with %d and %d", opcode, sequence, gotOpcode, gotSequence)
	}
	return answer
}

// refusal reads an error record.
func (c *client) refusal() (code uint64, text string) {
	c.Helper()
	opcode, _, payload := c.answer()
	if opcode != 1 || len(payload) != 16 {
		c.Fatalf("opcode %d with %d bytes came in place of an error", opcode, len(payload))
	}
	text = string(c.receive(int(binary.LittleEndian.Uint32(payload[12:]))))
	return binary.LittleEndian.Uint64(payload), text
}

func (c *client) begin() {
	c.Helper()
	c.call(2, words(0, 65536, 4, 0))
	c.call(9, make([]byte, 12))
	c.call(22, words(1))
}

func openPayload(path string, flags uint32) []byte {
	p := make([]byte, 60)
	binary.LittleEndian.PutUint32(p, uint32(len(path)))
	binary.LittleEndian.PutUint32(p[16:], 2)
	binary.LittleEndian.PutUint32(p[20:], flags)
	return p
}

func (c *client) openFile(path string, flags uint32) []byte {
	c.Helper()
	p := c.call(4, openPayload(path, flags), []byte(path)...)
	c.handle = binary.LittleEndian.Uint64(p[8:])
	return p
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func quad(v uint64) []byte {
	p := make([]byte, 8)
	binary.LittleEndian.PutUint64(p, v)
	return p
}

func (c *client) readPayload(offset, length uint64, compression uint32) []byte {
	return join(quad(c.handle), words(1, compression), quad(offset), quad(length), words(uint32(length), uint32(length), 0))
}

// reads asks for ranges, all at once, and returns their bytes.
func (c *client) reads(compression uint32, ranges ...[2]uint64) [][]byte {
	c.Helper()
	first := c.sequence
	results, left := make([][]byte, len(ranges)), 0
	covered := make([][]bool, len(ranges))
	for i, r := range ranges {
		c.write(c.record(7, c.readPayload(r[0], r[1], compression)))
		results[i], covered[i] = make([]byte, r[1]), make([]bool, r[1])
		left += int(r[1])
	}
	for left > 0 {
		opcode, sequence, p := c.answer()
		if opcode != 7 || len(p) != 44 || int(sequence-first) >= len(ranges) {
			c.Fatalf("opcode %d, sequence %d, %d bytes", opcode, sequence, len(p))
		}
		i := int(sequence - first)
		status, direction, code := binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint32(p[8:]), binary.LittleEndian.Uint32(p[12:])
		offset, total := binary.LittleEndian.Uint64(p[16:]), binary.LittleEndian.Uint32(p[24:])
		place, n, length := binary.LittleEndian.Uint32(p[28:]), binary.LittleEndian.Uint32(p[32:]), binary.LittleEndian.Uint32(p[36:])
		if status != 0 || direction != 1 || offset != ranges[i][0] || uint64(total) != ranges[i][1] || n == 0 ||
			uint64(place)+uint64(n) > ranges[i][1] || length > n || binary.LittleEndian.Uint32(p[40:]) != 0 {
			c.Fatalf("fragment % x", p)
		}
		data := decodeFragment(c.TB, code, c.receive(int(length)), int(n))
		for at := range data {
			if covered[i][int(place)+at] {
				c.Fatalf("two fragments have byte %d", int(place)+at)
			}
			covered[i][int(place)+at] = true
		}
		copy(results[i][place:], data)
		left -= int(n)
	}
	return results
}

// end closes everything in order.
func (c *client) end() {
	c.Helper()
	if c.handle != 0 {
		c.call(5, quad(c.handle))
	}
	c.call(3, make([]byte, 4))
	c.write(string(message(words(4))))
	_ = c.tcp.Close()
}

// over reads until the server has closed the connection.
func (c *client) over() {
	c.Helper()
	if _, err := io.Copy(io.Discard, c.stream()); err != nil && strings.Contains(err.Error(), "timeout") {
		c.Fatal("the server does not close the connection")
	}
}
