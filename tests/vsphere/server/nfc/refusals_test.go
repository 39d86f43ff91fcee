package nfc

import (
	"bytes"
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"time"

	"vmdkbkp.test/vsphere/faults"
	"vmdkbkp.test/vsphere/tickets"
)

// quietly writes bytes that the server may not want to read.
func (c *client) quietly(text string) { _, _ = c.stream().Write([]byte(text)) }

// fragmentOf is a fragment of a write of 1024 bytes at 0.
func (c *client) fragmentOf(sequence uint32, place, length, total uint32) string {
	payload := join(quad(c.handle), words(0, 0), quad(0), words(total, place, length, length, 0))
	return string(words(0xA100DA7A, 7, 44, sequence)) + string(payload) + strings.Repeat("x", int(length))
}

// changed returns a copy of p with a 32-bit number changed.
func changed(p []byte, at int, value uint32) []byte {
	p = append([]byte(nil), p...)
	binary.LittleEndian.PutUint32(p[at:], value)
	return p
}

func TestWhatIsRefused(t *testing.T) {
	hello := func(c *client) string { return "SESSION " + c.w.ticket(tickets.Ticket{}) + "\r\n" }
	read := func(c *client) []byte { return c.readPayload(0, 4096, 0) }
	allocated := func(c *client, chunk, start, count uint64) []byte {
		return join(quad(c.handle), quad(0), quad(chunk), quad(start), quad(count), quad(0))
	}
	for _, q := range []struct {
		name  string
		stage int
		rule  string
		do    func(c *client)
	}{
		// Before and between the TLS sessions.
		{"text in place of TLS", connected, "before-tls", func(c *client) { c.quietly("SESSION x\r\n") }},
		{"a TLS alert in place of TLS", connected, "before-tls", func(c *client) { c.quietly("\x15\x03\x03\x00\x02\x01\x00") }},
		{"a handshake message that is no ClientHello", connected, "before-tls", func(c *client) {
			c.quietly("\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00")
		}},
		{"session 1 goes on", granted, "after-grant", func(c *client) { c.quietly("more") }},
		{"session 1 is closed with an alert", granted, "after-grant", func(c *client) { _ = c.tls.Close() }},
		{"clear text after ssl was granted", granted, "after-grant", func(c *client) {
			c.tls = nil
			c.quietly(string(message(words(43), []byte(c.token))))
		}},

		// Lines.
		{"a line without CR", secure, "line-end", func(c *client) { c.quietly("SESSION x\n") }},
		{"a line that is too long", secure, "line-length", func(c *client) { c.quietly("SESSION " + strings.Repeat("x", 2000)) }},
		{"a long line with its end", secure, "line-length", func(c *client) {
			c.quietly("SESSION " + strings.Repeat("x", 1200) + "\r\n")
		}},
		{"USER", secure, "dialogue", func(c *client) { c.quietly("USER root\r\n") }},
		{"BANNER first", secure, "dialogue", func(c *client) { c.quietly("BANNER \r\n") }},
		{"BANNER without its space", secure, "dialogue", func(c *client) { c.quietly(hello(c) + "BANNER\r\n") }},
		{"PROXY too early", secure, "dialogue", func(c *client) { c.quietly(hello(c) + "PROXY nfcssl\r\n") }},
		{"no BANNER", secure, "dialogue", func(c *client) { c.quietly(hello(c) + "THUMBPRINT_SHA2 x\r\n") }},
		{"a second BANNER", secure, "dialogue", func(c *client) {
			c.write(hello(c) + "BANNER \r\n")
			c.line()
			c.quietly("BANNER \r\n")
		}},
		{"not waiting for the banner", secure, "did-not-wait", func(c *client) {
			c.quietly(hello(c) + "BANNER \r\nTHUMBPRINT_SHA2 x\r\n")
		}},
		{"bytes behind PROXY", secure, "did-not-wait", func(c *client) {
			c.write(hello(c) + "BANNER \r\n")
			c.line()
			c.write("THUMBPRINT_SHA2 x\r\n")
			c.line()
			c.quietly("PROXY nfcssl\r\nmore\r\n")
		}},
		{"another service", secure, "service", func(c *client) { c.dialogue("x", "PROXY vpxa-nfcssl\r\n") }},
		{"an unknown service", secure, "service", func(c *client) { c.dialogue("x", "PROXY nfcssl2\r\n") }},
		{"a token with a colon", secure, "token", func(c *client) {
			c.write(hello(c) + "BANNER \r\n")
			c.line()
			c.write("THUMBPRINT_SHA2 AA:BB\r\n")
			c.expectLine("501 Invalid arguments")
		}},
		{"a token with a space", secure, "token", func(c *client) {
			c.write(hello(c) + "BANNER \r\n")
			c.line()
			c.write("THUMBPRINT_SHA2 A B\r\n")
			c.expectLine("501 Invalid arguments")
		}},

		// Messages.
		{"two messages in one record", secondTLS, "one-message-a-record", func(c *client) {
			c.quietly(string(message(words(43), []byte(c.token))) + string(message(words(33))))
		}},
		{"one message in two records", secondTLS, "one-message-a-record", func(c *client) {
			p := string(message(words(43), []byte(c.token)))
			c.quietly(p[:100])
			c.quietly(p[100:])
		}},
		{"another token", secondTLS, "token", func(c *client) { c.quietly(string(message(words(43), []byte("other")))) }},
		{"bytes behind the token", secondTLS, "token", func(c *client) {
			c.quietly(string(message(words(43), []byte(c.token+"\x00x"))))
		}},
		{"33 before 43", secondTLS, "message-order", func(c *client) { c.quietly(string(message(words(33)))) }},
		{"51 before 33", secondTLS, "message-order", func(c *client) {
			c.write(string(message(words(43), []byte(c.token))))
			c.quietly(string(message(words(51, 11))))
		}},
		{"padding of 33", secondTLS, "message-padding", func(c *client) {
			c.write(string(message(words(43), []byte(c.token))))
			c.quietly(string(message(words(33, 0, 0, 1))))
		}},
		{"version 2", secondTLS, "version", func(c *client) { c.first(words(51, 2)) }},
		{"padding of 51", secondTLS, "message-padding", func(c *client) { c.first(words(51, 11, 2)) }},
		{"not waiting for 36 and 51", secondTLS, "did-not-wait", func(c *client) {
			c.write(string(message(words(43), []byte(c.token))))
			c.write(string(message(words(33))))
			both := string(message(words(51, 11)))
			// Both records leave in one segment, so that the second is there when the first is read.
			c.together(both, string(message(words(54, 6, 7)))+"testernbdmode")
		}},
		{"another operation", secondTLS, "connection", func(c *client) {
			c.first(words(51, 11))
			c.expectMessage(36)
			c.expectMessage(51)
			c.quietly(string(message(words(54, 6, 7))) + "testerNBDMODE")
		}},
		{"strings of other lengths", secondTLS, "one-message-a-record", func(c *client) {
			c.first(words(51, 11))
			c.expectMessage(36)
			c.expectMessage(51)
			c.quietly(string(message(words(54, 6, 7))) + "testernbdmodeX")
		}},
		{"no name", secondTLS, "connection", func(c *client) {
			c.first(words(51, 11))
			c.expectMessage(36)
			c.expectMessage(51)
			c.quietly(string(message(words(54, 0, 7))) + "nbdmode")
		}},
		{"other features", secondTLS, "features", func(c *client) { c.third(words(55, 1)) }},
		{"52 before 55", secondTLS, "message-order", func(c *client) { c.third(words(52)) }},
		{"a record in place of a message", secondTLS, "one-message-a-record", func(c *client) {
			c.quietly(c.record(2, words(0, 65536, 4, 0)))
		}},

		// The first records.
		{"9 before 2", shaken, "request-order", func(c *client) { c.quietly(c.record(9, make([]byte, 12))) }},
		{"22 before 2", shaken, "request-order", func(c *client) { c.quietly(c.record(22, words(1))) }},
		{"4 before 2", shaken, "request-order", func(c *client) {
			c.quietly(c.record(4, openPayload(firstFile, 0x1E), []byte(firstFile)...))
		}},
		{"4 before 22", shaken, "request-order", func(c *client) {
			c.call(2, words(0, 65536, 4, 0))
			c.quietly(c.record(4, openPayload(firstFile, 0x1E), []byte(firstFile)...))
		}},
		{"a second 2", ready, "request-order", func(c *client) { c.quietly(c.record(2, words(0, 65536, 4, 0))) }},
		{"not waiting for the answer to 2", shaken, "did-not-wait", func(c *client) {
			c.quietly(c.record(2, words(0, 65536, 4, 0)) + c.record(9, make([]byte, 12)))
		}},
		{"buffers of an odd size", shaken, "buffers", func(c *client) { c.quietly(c.record(2, words(0, 1000, 4, 0))) }},
		{"buffers without a count", shaken, "buffers", func(c *client) { c.quietly(c.record(2, words(0, 65536, 0, 0))) }},
		{"reserved words of 2", shaken, "reserved", func(c *client) { c.quietly(c.record(2, words(0, 65536, 4, 1))) }},
		{"reserved words of 9", shaken, "reserved", func(c *client) {
			c.call(2, words(0, 0, 0, 0))
			c.quietly(c.record(9, words(0, 1, 0)))
		}},
		{"22 with 2", shaken, "reserved", func(c *client) {
			c.call(2, words(0, 0, 0, 0))
			c.call(9, make([]byte, 12))
			c.quietly(c.record(22, words(2)))
		}},

		// Records.
		{"another magic", ready, "magic", func(c *client) { c.quietly(string(words(0xA100DA7B, 3, 4, 3, 0))) }},
		{"an unknown opcode", ready, "opcode", func(c *client) { c.quietly(c.record(10, make([]byte, 8))) }},
		{"an error from the client", ready, "opcode", func(c *client) { c.quietly(c.record(1, make([]byte, 16))) }},
		{"a sequence that was left out", ready, "sequence", func(c *client) {
			c.sequence++
			c.quietly(c.record(3, make([]byte, 4)))
		}},
		{"a sequence again", ready, "sequence", func(c *client) {
			c.sequence--
			c.quietly(c.record(3, make([]byte, 4)))
		}},
		{"a payload of another length", ready, "payload-length", func(c *client) { c.quietly(c.record(3, make([]byte, 8))) }},
		{"a huge payload", ready, "payload-length", func(c *client) { c.quietly(string(words(0xA100DA7A, 4, 0xFFFFFFF0, 3))) }},
		{"an end within a header", ready, "record-cut", func(c *client) {
			c.quietly(string(words(0xA100DA7A, 4)))
			_ = c.tls.CloseWrite()
		}},

		// Opening.
		{"another kind of file", ready, "flags", func(c *client) {
			c.quietly(c.record(4, changed(openPayload(firstFile, 0x1E), 16, 1), []byte(firstFile)...))
		}},
		{"other flags", ready, "flags", func(c *client) {
			c.quietly(c.record(4, openPayload(firstFile, 0x1C), []byte(firstFile)...))
		}},
		{"reserved words of 4", ready, "reserved", func(c *client) {
			c.quietly(c.record(4, changed(openPayload(firstFile, 0x1E), 24, 7), []byte(firstFile)...))
		}},
		{"a path of 0 bytes", ready, "path", func(c *client) { c.quietly(c.record(4, openPayload("", 0x1E))) }},
		{"a path of a mebibyte", ready, "path", func(c *client) {
			c.quietly(c.record(4, changed(openPayload("", 0x1E), 0, 1<<20)))
		}},
		{"a second open", opened, "second-open", func(c *client) {
			c.quietly(c.record(4, openPayload(firstFile, 0x1E), []byte(firstFile)...))
		}},
		{"an open after a close", opened, "second-open", func(c *client) {
			c.call(5, quad(c.handle))
			c.quietly(c.record(4, openPayload(firstFile, 0x1E), []byte(firstFile)...))
		}},
		{"not waiting for the answer to 4", ready, "did-not-wait", func(c *client) {
			c.quietly(c.record(4, openPayload(firstFile, 0x1E), []byte(firstFile)...) + c.record(3, make([]byte, 4)))
		}},

		// Reading.
		{"a read before the open", ready, "handle", func(c *client) { c.quietly(c.record(7, read(c))) }},
		{"another handle", opened, "handle", func(c *client) {
			c.handle ^= 1
			c.quietly(c.record(7, read(c)))
		}},
		{"a handle cut to 32 bits", opened, "handle", func(c *client) {
			c.handle &= 0xFFFFFFFF
			c.quietly(c.record(7, read(c)))
		}},
		{"a closed handle", opened, "handle", func(c *client) {
			c.call(5, quad(c.handle))
			c.quietly(c.record(7, read(c)))
		}},
		{"a read of more than a mebibyte", opened, "length", func(c *client) {
			c.quietly(c.record(7, c.readPayload(0, 1<<20+512, 0)))
		}},
		{"a read of nothing", opened, "length", func(c *client) { c.quietly(c.record(7, c.readPayload(0, 0, 0))) }},
		{"a read that is not in sectors", opened, "sectors", func(c *client) { c.quietly(c.record(7, c.readPayload(0, 100, 0))) }},
		{"a read from within a sector", opened, "sectors", func(c *client) { c.quietly(c.record(7, c.readPayload(100, 512, 0))) }},
		{"a read beyond the capacity", opened, "capacity", func(c *client) {
			c.quietly(c.record(7, c.readPayload(capacityBytes-512, 1024, 0)))
		}},
		{"a read far beyond the capacity", opened, "capacity", func(c *client) {
			c.quietly(c.record(7, c.readPayload(1<<64-512, 512, 0)))
		}},
		{"lengths that differ", opened, "length", func(c *client) { c.quietly(c.record(7, changed(read(c), 36, 512))) }},
		{"reserved words of 7", opened, "reserved", func(c *client) { c.quietly(c.record(7, changed(read(c), 40, 1))) }},
		{"fastlz", opened, "compression", func(c *client) { c.quietly(c.record(7, c.readPayload(0, 512, 2))) }},
		{"a direction of 2", opened, "direction", func(c *client) { c.quietly(c.record(7, changed(read(c), 8, 2))) }},
		{"too many reads under way", opened, "under-way", func(c *client) {
			for i := 0; i < 40; i++ {
				c.quietly(c.record(7, read(c)))
			}
		}},
		{"closing with reads under way", opened, "close-under-way", func(c *client) {
			c.write(c.record(7, read(c)))
			c.quietly(c.record(5, quad(c.handle)))
		}},
		{"ending with an open disk", opened, "end-open", func(c *client) { c.quietly(c.record(3, make([]byte, 4))) }},
		{"closing another handle", opened, "handle", func(c *client) { c.quietly(c.record(5, quad(c.handle+1))) }},
		{"reserved words of 5", opened, "reserved", func(c *client) { c.quietly(c.record(5, join(quad(c.handle), quad(1)))) }},
		{"reserved words of 3", ready, "reserved", func(c *client) { c.quietly(c.record(3, words(1))) }},
		{"more after the end", ready, "after-end", func(c *client) {
			c.call(3, make([]byte, 4))
			c.quietly(c.record(2, words(0, 0, 0, 0)))
			_ = c.tls.CloseWrite()
		}},
		{"more after message 4", ready, "after-end", func(c *client) {
			c.call(3, make([]byte, 4))
			c.quietly(string(message(words(4))) + "x")
			_ = c.tls.CloseWrite()
		}},
		{"another message after the end", ready, "message-order", func(c *client) {
			c.call(3, make([]byte, 4))
			c.quietly(string(message(words(52))))
		}},

		// Other requests.
		{"an unaligned start of 13", opened, "allocated-range", func(c *client) {
			c.write(c.record(13, allocated(c, 1<<20, 65536, 1)))
			c.refusal()
			_ = c.tcp.Close()
		}},
		{"small chunks", opened, "allocated-range", func(c *client) {
			c.write(c.record(13, allocated(c, 4096, 0, 1)))
			c.refusal()
			_ = c.tcp.Close()
		}},
		{"chunks beyond the capacity", opened, "allocated-range", func(c *client) {
			c.write(c.record(13, allocated(c, 1<<20, 0, 9)))
			c.refusal()
			_ = c.tcp.Close()
		}},
		{"reserved words of 13", opened, "reserved", func(c *client) {
			c.quietly(c.record(13, changed(allocated(c, 1<<20, 0, 1), 8, 1)))
		}},
		{"a key of 0 bytes", opened, "key", func(c *client) { c.quietly(c.record(11, join(quad(c.handle), words(0, 0)))) }},
		{"reserved words of 11", opened, "reserved", func(c *client) {
			c.quietly(c.record(11, join(quad(c.handle), words(1, 1)), 'a'))
		}},
		{"a write to a disk that is read", opened, "read-only", func(c *client) {
			c.quietly(c.fragmentOf(c.sequence, 0, 512, 512))
		}},
	} {
		q := q
		t.Run(q.name, func(t *testing.T) {
			w := newWorld(t)
			w.set(`{"latencyMs":20}`)
			c := w.connect(q.stage, w.ticket(tickets.Ticket{}))
			c.TB = t
			q.do(c)
			c.over()
			if rule, clean := w.ended(); rule != q.rule || clean {
				t.Fatalf("rule %q, clean %v", rule, clean)
			}
		})
	}
}

// dialogue plays the lines before PROXY, then sends a last one.
func (c *client) dialogue(token, last string) {
	c.Helper()
	c.write("SESSION " + c.w.ticket(tickets.Ticket{}) + "\r\nBANNER \r\n")
	c.line()
	c.write("THUMBPRINT_SHA2 " + token + "\r\n")
	c.line()
	c.quietly(last)
}

// first sends messages 43 and 33, then another.
func (c *client) first(last []byte) {
	c.Helper()
	c.write(string(message(words(43), []byte(c.token))))
	c.write(string(message(words(33))))
	c.quietly(string(message(last)))
}

// third goes up to message 54, then sends another.
func (c *client) third(last []byte) {
	c.Helper()
	c.first(words(51, 11))
	c.expectMessage(36)
	c.expectMessage(51)
	c.write(string(message(words(54, 6, 7))))
	c.write(clientName)
	c.write(operation)
	c.quietly(string(message(last)))
}

// together sends several TLS records in one segment.
func (c *client) together(parts ...string) {
	c.Helper()
	c.gate.held = &bytes.Buffer{}
	for _, part := range parts {
		c.write(part)
	}
	held := c.gate.held
	c.gate.held = nil
	_, err := c.gate.Conn.Write(held.Bytes())
	c.must(err)
}

func TestWritesThatAreRefused(t *testing.T) {
	live := "[ds 1] web 01/web 01-000001.vmdk"
	for name, q := range map[string]struct {
		rule string
		do   func(c *client)
	}{
		"a gap": {"write-fragments", func(c *client) {
			c.write(c.fragmentOf(c.sequence, 0, 512, 2048))
			c.quietly(c.fragmentOf(c.sequence, 1024, 512, 2048))
		}},
		"a fragment twice": {"write-fragments", func(c *client) {
			c.write(c.fragmentOf(c.sequence, 0, 512, 2048))
			c.quietly(c.fragmentOf(c.sequence, 0, 512, 2048))
		}},
		"a first fragment that does not begin at 0": {"write-fragments", func(c *client) {
			c.quietly(c.fragmentOf(c.sequence, 512, 512, 2048))
		}},
		"a fragment that is too long": {"write-fragments", func(c *client) { c.quietly(c.fragmentOf(c.sequence, 0, 1024, 512)) }},
		"fragments with two sequences": {"sequence", func(c *client) {
			c.write(c.fragmentOf(c.sequence, 0, 512, 1024))
			c.quietly(c.fragmentOf(c.sequence+1, 512, 512, 1024))
		}},
		"a read within a write": {"write-fragments", func(c *client) {
			c.write(c.fragmentOf(c.sequence, 0, 512, 1024))
			c.quietly(c.record(7, c.readPayload(0, 512, 0)))
		}},
		"another request within a write": {"sequence", func(c *client) {
			c.write(c.fragmentOf(c.sequence, 0, 512, 1024))
			c.quietly(c.record(5, quad(c.handle)))
		}},
		"a write of more than a mebibyte": {"length", func(c *client) { c.quietly(c.fragmentOf(c.sequence, 0, 512, 2<<20)) }},
		"a write that is not in sectors":  {"sectors", func(c *client) { c.quietly(c.fragmentOf(c.sequence, 0, 100, 100)) }},
		"skipz out of bounds": {"skipz", func(c *client) {
			extra := join(words(512, 0, 510, 4), []byte("abcd"))
			payload := join(quad(c.handle), words(0, 3), quad(0), words(512, 0, 512, uint32(len(extra)), 0))
			c.quietly(string(words(0xA100DA7A, 7, 44, c.sequence)) + string(payload) + string(extra))
		}},
	} {
		q := q
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.running = false
			before := make([]byte, 4096)
			_, _ = w.machine.Disks[0].Disk.ReadAt(before, 512)
			c := w.connect(ready, w.ticket(tickets.Ticket{Key: 2000, Write: true}))
			c.TB = t
			c.openFile(live, 0x1A)
			q.do(c)
			c.over()
			if rule, clean := w.ended(); rule != q.rule || clean {
				t.Fatalf("rule %q, clean %v", rule, clean)
			}
			after := make([]byte, 4096)
			if _, _ = w.machine.Disks[0].Disk.ReadAt(after, 512); !bytes.Equal(before, after) {
				t.Fatal("something was written behind the first fragment")
			}
		})
	}
}

func TestBytesBeforeTheGreeting(t *testing.T) {
	w := newWorld(t)
	w.port.Faults.Arm(faults.Fault{At: "greeting", Kind: "slow", Ms: 200, Count: 1})
	tcp, err := net.Dial("tcp", w.address)
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	if _, err := tcp.Write([]byte("\x16\x03\x01")); err != nil {
		t.Fatal(err)
	}
	_ = tcp.SetDeadline(time.Now().Add(20 * time.Second))
	if n, _ := tcp.Read(make([]byte, 100)); n > 0 {
		t.Fatal("the server greets a client that does not wait")
	}
	if rule, _ := w.ended(); rule != "before-greeting" {
		t.Fatalf("rule %q", rule)
	}
}
