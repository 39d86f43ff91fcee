package nfc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"vmdkbkp.test/vsphere/faults"
	"vmdkbkp.test/vsphere/inventory"
	"vmdkbkp.test/vsphere/journal"
)

const (
	magic       = 0xA100DA7A
	headerBytes = 16
	maxPath     = 1024

	opError     = 1
	opSession   = 2
	opEnd       = 3
	opOpen      = 4
	opClose     = 5
	opIO        = 7
	opSocket    = 9
	opDDB       = 11
	opAllocated = 13
	opPool      = 22

	defaultBufferBytes = 64 << 10
	maxBufferBytes     = 2 << 20
	// maxRequestBytes is the most that one read or write may ask for.
	maxRequestBytes = 1 << 20
	// defaultUnderWay is how many reads one connection may have under way.
	defaultUnderWay = 32
)

// payloads are the lengths that a request's payload may have.
var payloads = map[uint32][]uint32{
	opSession: {16}, opEnd: {4, 16}, opOpen: {60}, opClose: {8, 16}, opIO: {44}, opSocket: {12}, opDDB: {16},
	opAllocated: {48}, opPool: {4},
}

// records is the state of a session once its handshake is complete.
type records struct {
	in       *bufio.Reader
	sequence uint32 // of the next request
	done     uint32 // the last of 2, 9, 22 that was answered

	bufferBytes int
	disk        *inventory.Opened
	opened      bool // a disk was opened once
	handle      uint64
	write       *write
	failed      bool // an error was sent: the client must close the connection

	buffer   []byte     // of the goroutine that answers reads
	out      sync.Mutex // holds while one record is sent
	mu       sync.Mutex
	underWay int
	sendErr  error
	jobs     chan read
	sender   sync.WaitGroup
}

// request is a record that the client has sent, without its extra.
type request struct {
	opcode, sequence uint32
	payload          []byte
}

func (r request) u32(at int) uint32 { return little.Uint32(r.payload[at:]) }
func (r request) u64(at int) uint64 { return little.Uint64(r.payload[at:]) }

// zeros refuses a request that has something in its reserved words, which are given as pairs of begin and end.
func (r request) zeros(reserved ...int) error {
	for pair := 0; pair < len(reserved); pair += 2 {
		for i := reserved[pair]; i < reserved[pair+1]; i++ {
			if r.payload[i] != 0 {
				return violation("reserved", "opcode %d has a byte %d at %d, which must be 0", r.opcode, r.payload[i], i)
			}
		}
	}
	return nil
}

// serve answers records until the client ends the session.
func (s *session) serve() error {
	s.in = bufio.NewReaderSize(s, 256<<10)
	s.bufferBytes = defaultBufferBytes
	s.jobs = make(chan read, 4096)
	s.sender.Add(1)
	go func() {
		defer s.sender.Done()
		s.sendReads()
	}()
	err := s.requests()
	close(s.jobs)
	if err != nil {
		_ = s.wire.Close()
	}
	s.sender.Wait()
	s.jobs = nil
	if err == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var b *broken
	if s.sendErr != nil && !errors.As(err, &b) {
		return s.sendErr
	}
	return err
}

func (s *session) requests() error {
	for {
		if s.failed {
			_, _ = io.Copy(io.Discard, s.in) // what was under way when the error was sent
			return &refused{"the client closed the connection after an error"}
		}
		r, err := s.nextRequest()
		if err != nil {
			return err
		}
		if fault := s.recordFault(r.opcode); fault != nil {
			if ends, err := s.spoilRecord(r, *fault); ends || err != nil {
				return err
			}
			continue
		}
		ended, err := s.process(r)
		if err != nil {
			return err
		}
		if ended {
			return s.complete()
		}
	}
}

// nextRequest reads the header and the payload of a request.
func (s *session) nextRequest() (request, error) {
	header := make([]byte, headerBytes)
	if n, err := io.ReadFull(s.in, header); err != nil {
		if n > 0 {
			return request{}, violation("record-cut", "the connection ended within a record's header")
		}
		return request{}, err
	}
	if got := little.Uint32(header); got != magic {
		return request{}, violation("magic", "a record begins with %#x", got)
	}
	r := request{opcode: little.Uint32(header[4:]), sequence: little.Uint32(header[12:])}
	length := little.Uint32(header[8:])
	known := payloads[r.opcode]
	if known == nil {
		return r, violation("opcode", "opcode %d is not known", r.opcode)
	}
	fits := false
	for _, allowed := range known {
		fits = fits || length == allowed
	}
	if !fits {
		return r, violation("payload-length", "opcode %d has a payload of %d bytes, not one of %v", r.opcode, length, known)
	}
	if s.write == nil {
		if r.sequence != s.sequence {
			return r, violation("sequence", "sequence %d came, %d was expected", r.sequence, s.sequence)
		}
		s.sequence++
	} else if r.sequence != s.write.sequence || r.opcode != opIO {
		return r, violation("sequence", "opcode %d with sequence %d came within the write with sequence %d",
			r.opcode, r.sequence, s.write.sequence)
	}
	r.payload = make([]byte, length)
	_, err := io.ReadFull(s.in, r.payload)
	return r, err
}

// extra reads the bytes that follow a request.
func (s *session) extra(length uint32) ([]byte, error) {
	p := make([]byte, length)
	_, err := io.ReadFull(s.in, p)
	return p, err
}

// process checks and answers one request. It returns true after the end of the session was answered.
func (s *session) process(r request) (ended bool, err error) {
	if err := s.checkOrder(r.opcode); err != nil {
		return false, err
	}
	switch r.opcode {
	case opSession:
		return false, s.beginSession(r)
	case opSocket:
		if err := r.zeros(0, 12); err != nil {
			return false, err
		}
		s.done = opSocket
		answer := make([]byte, 12)
		little.PutUint32(answer, 1675000)
		little.PutUint32(answer[4:], 1675000)
		little.PutUint32(answer[8:], 1)
		return false, s.respondOnly(r, answer)
	case opPool:
		if r.u32(0) != 1 {
			return false, violation("reserved", "opcode 22 has %d, not 1", r.u32(0))
		}
		s.done = opPool
		return false, s.respondOnly(r, make([]byte, 4))
	case opOpen:
		return false, s.openFile(r)
	case opClose:
		return false, s.closeFile(r)
	case opIO:
		return false, s.io(r)
	case opDDB:
		return false, s.ddb(r)
	case opAllocated:
		return false, s.queryAllocated(r)
	}
	return s.endSession(r)
}

// checkOrder refuses what comes before the requests that must precede it.
func (s *session) checkOrder(opcode uint32) error {
	before := map[uint32]uint32{opSession: 0, opSocket: opSession, opPool: opSocket}
	wanted, isFirst := before[opcode]
	if !isFirst {
		wanted = opPool
	}
	if s.done != wanted {
		return violation("request-order", "opcode %d came after opcode %d, it must come after %d", opcode, s.done, wanted)
	}
	return nil
}

func (s *session) beginSession(r request) error {
	size, count := r.u32(4), r.u32(8)
	if err := r.zeros(0, 4, 12, 16); err != nil {
		return err
	}
	switch {
	case size == 0 && count == 0:
	case size == 0 || size%defaultBufferBytes != 0 || count == 0 || count > 64:
		return violation("buffers", "opcode 2 asks for %d buffers of %d bytes", count, size)
	case size > maxBufferBytes:
		return s.fail(r, inventory.CodeFail, fmt.Sprintf("NfcAioOpenSession: buffer size %d is too large", size), false)
	default:
		s.bufferBytes = int(size)
	}
	s.done = opSession
	return s.respondOnly(r, make([]byte, 16))
}

func (s *session) endSession(r request) (ended bool, err error) {
	if err := r.zeros(0, len(r.payload)); err != nil {
		return false, err
	}
	if s.disk != nil {
		return false, violation("end-open", "the session is ended while a disk is open")
	}
	return true, s.respondOnly(r, make([]byte, len(r.payload)))
}

// complete waits for the end of the connection, which a last message may announce.
func (s *session) complete() error {
	p := make([]byte, messageBytes)
	switch n, err := io.ReadFull(s.in, p); {
	case n == 0:
		return nil
	case err != nil:
		return violation("after-end", "%d bytes came after the end of the session", n)
	}
	if err := checkMessage(p, msgComplete); err != nil {
		return err
	}
	if n, _ := s.in.Read(p); n > 0 {
		return violation("after-end", "bytes came after the last message")
	}
	return nil
}

// record makes the bytes of a record.
func record(opcode, sequence uint32, payload, extra []byte) []byte {
	p := make([]byte, headerBytes, headerBytes+len(payload)+len(extra))
	little.PutUint32(p, magic)
	little.PutUint32(p[4:], opcode)
	little.PutUint32(p[8:], uint32(len(payload)))
	little.PutUint32(p[12:], sequence)
	return append(append(p, payload...), extra...)
}

// respondOnly answers a request after which the client must wait.
func (s *session) respondOnly(r request, payload []byte) error {
	if s.in.Buffered() > 0 {
		return violation("did-not-wait", "the client sent more before it had the answer to opcode %d", r.opcode)
	}
	if err := s.mustWait(fmt.Sprintf("opcode %d", r.opcode)); err != nil {
		return err
	}
	return s.respond(r, payload, nil)
}

func (s *session) respond(r request, payload, extra []byte) error {
	return s.sendRecord(record(r.opcode, r.sequence, payload, extra))
}

func (s *session) sendRecord(p []byte) error {
	s.out.Lock()
	defer s.out.Unlock()
	return s.send(p)
}

// fail sends an error record, and the ordinary reply if one shall follow. After the error of anything but an
// open, nothing is answered any more.
func (s *session) fail(r request, code uint64, text string, reply bool) error {
	payload := make([]byte, 16)
	little.PutUint64(payload, code)
	little.PutUint32(payload[12:], uint32(len(text)))
	p := record(opError, r.sequence, payload, []byte(text))
	if reply {
		p = append(p, record(r.opcode, r.sequence, make([]byte, len(r.payload)), nil)...)
	}
	s.failed = r.opcode != opOpen
	s.log("error", journal.Fields{"opcode": r.opcode, "code": code, "text": text, "reply": reply})
	return s.sendRecord(p)
}

func (s *session) recordFault(opcode uint32) *faults.Fault {
	return s.fault("record", func(f faults.Fault) bool { return f.Opcode == opcode })
}

// spoilRecord answers a request as a fault says. The extra of the request is read and ignored.
func (s *session) spoilRecord(r request, fault faults.Fault) (ends bool, err error) {
	if fault.Kind == "slow" {
		time.Sleep(time.Duration(fault.Ms) * time.Millisecond)
		ended, err := s.process(r)
		if ended && err == nil {
			err = s.complete()
		}
		return ended, err
	}
	var length uint32
	switch {
	case r.opcode == opOpen:
		length = r.u32(0)
	case r.opcode == opDDB:
		length = r.u32(8)
	case r.opcode == opIO && r.u32(8) == 0:
		length = r.u32(36)
	}
	if length > maxRequestBytes {
		return true, violation("length", "an extra of %d bytes", length)
	}
	if _, err := s.extra(length); err != nil {
		return true, err
	}
	switch fault.Kind {
	case "error":
		return false, s.fail(r, fault.Code, fault.Text, fault.Reply)
	case "silence":
		s.failed = true
		return false, nil
	case "close":
		return true, &refused{"closed in place of an answer, as told"}
	}
	s.failed = true
	return false, s.sendRecord(s.spoiledRecord(r, fault))
}

// spoiledRecord is the answer to a request with one word wrong.
func (s *session) spoiledRecord(r request, fault faults.Fault) []byte {
	good := record(r.opcode, r.sequence, make([]byte, len(r.payload)), nil)
	switch fault.Kind {
	case "status":
		// Some answers have four bytes.
		code := make([]byte, 8)
		little.PutUint64(code, fault.Code)
		copy(good[headerBytes:], code)
	case "magic":
		little.PutUint32(good, magic^1)
	case "opcode":
		little.PutUint32(good[4:], uint32(fault.Bytes))
	case "length":
		little.PutUint32(good[8:], uint32(fault.Bytes))
	case "sequence":
		little.PutUint32(good[12:], r.sequence+1)
	case "garbage":
		good = make([]byte, 4096)
		s.random.Read(good)
	}
	return good
}
