package nfc

import (
	"bytes"
	"compress/zlib"
	"io"
)

// Codes of compression. FastLZ (2) is not served.
const (
	codeNone  = 0
	codeZlib  = 1
	codeSkipz = 3
)

// fragment is a part of the answer to a read.
type fragment struct {
	job           read
	place, length int64
}

// cut divides a read into fragments.
func (s *session) cut(job read) []fragment {
	most := int64(s.bufferBytes)
	if n := int64(s.settings.FragmentBytes); n > 0 && n < most {
		most = n
	}
	var all []fragment
	for place := int64(0); place < job.length; {
		n := most
		if s.settings.Odd {
			n = 1 + s.mix.Int63n(most)
		}
		if n > job.length-place {
			n = job.length - place
		}
		all = append(all, fragment{job, place, n})
		place += n
	}
	return all
}

const ioHeaderBytes = 44

// ioHeader is the payload of an IO answer, and of a fragment of a write.
type ioHeader struct {
	Status      uint64
	Direction   uint32
	Compression uint32
	Offset      uint64
	Total       uint32 // length of the whole request
	Place       uint32 // of the fragment within the request
	Bytes       uint32 // of the disk
	Extra       uint32
	Zero        uint32
}

func (h ioHeader) payload() []byte {
	p := make([]byte, ioHeaderBytes)
	little.PutUint64(p, h.Status)
	little.PutUint32(p[8:], h.Direction)
	little.PutUint32(p[12:], h.Compression)
	little.PutUint64(p[16:], h.Offset)
	little.PutUint32(p[24:], h.Total)
	little.PutUint32(p[28:], h.Place)
	little.PutUint32(p[32:], h.Bytes)
	little.PutUint32(p[36:], h.Extra)
	little.PutUint32(p[40:], h.Zero)
	return p
}

// encode reads a fragment from the disk and appends the records of it to out: one, unless a fault wants other.
func (s *session) encode(out []byte, f fragment) ([]byte, error) {
	// The bytes go to where they are if they are stored.
	begin := len(out) + headerBytes + ioHeaderBytes
	whole := grow(out, begin+int(f.length))
	data := whole[begin:]
	if _, err := s.disk.ReadAt(data, f.job.offset+f.place); err != nil && err != io.EOF {
		return nil, err
	}
	code, extra := compress(f.job.compression, data)
	switch stored := s.settings.Stored; {
	case stored == "always" || stored == "always-asked":
		code, extra = codeNone, data
		if stored == "always-asked" {
			code = f.job.compression
		}
	case stored == "asked" && code == codeNone:
		code = f.job.compression
	}
	h := ioHeader{
		Direction: 1, Compression: code, Offset: uint64(f.job.offset), Total: uint32(f.job.length),
		Place: uint32(f.place), Bytes: uint32(len(data)), Extra: uint32(len(extra)),
	}
	if fault := s.fault("fragment", nil); fault != nil {
		spoiled, err := s.spoilFragment(*fault, f, h, append([]byte(nil), data...), append([]byte(nil), extra...))
		return append(out, spoiled...), err
	}
	copy(whole[len(out):], record(opIO, f.job.sequence, h.payload(), nil))
	copy(data, extra) // over themselves if they are stored
	return whole[:begin+len(extra)], nil
}

// grow returns a slice that begins with p and has n bytes.
func grow(p []byte, n int) []byte {
	if n <= cap(p) {
		return p[:n]
	}
	larger := make([]byte, n, 2*n)
	copy(larger, p)
	return larger
}

// compress returns data compressed, or as it is if it does not shrink.
func compress(asked uint32, data []byte) (code uint32, extra []byte) {
	switch asked {
	case codeZlib:
		extra = deflate(data)
	case codeSkipz:
		extra = skipz(data)
	default:
		return codeNone, data
	}
	if len(extra) >= len(data) {
		return codeNone, data
	}
	return asked, extra
}

func deflate(data []byte) []byte {
	var p bytes.Buffer
	w, _ := zlib.NewWriterLevel(&p, zlib.BestSpeed)
	_, _ = w.Write(data)
	_ = w.Close()
	return p.Bytes()
}

func inflate(p []byte, size int) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(p))
	if err != nil {
		return nil, err
	}
	data := make([]byte, size+1)
	n, err := io.ReadFull(r, data)
	if n != size {
		return nil, violation("zlib", "a fragment of %d bytes has %d", size, n)
	}
	if err != io.ErrUnexpectedEOF && err != io.EOF {
		return nil, err
	}
	return data[:size], nil
}

// segment is a run of bytes that a skipz stream has.
type segment struct {
	at   int
	data []byte
}

// skipz leaves zeros out: the length, 0, then place, length and bytes of every run of other bytes.
func skipz(data []byte) []byte {
	var all []segment
	for i := 0; i < len(data); {
		if data[i] == 0 {
			i++
			continue
		}
		end := i + 1
		for end < len(data) && data[end] != 0 {
			end++
		}
		all = append(all, segment{i, data[i:end]})
		i = end
	}
	return skipzOf(len(data), all)
}

func skipzOf(length int, all []segment) []byte {
	p := make([]byte, 8, 8+len(all)*9)
	little.PutUint32(p, uint32(length))
	for _, s := range all {
		p = little.AppendUint32(p, uint32(s.at))
		p = little.AppendUint32(p, uint32(len(s.data)))
		p = append(p, s.data...)
	}
	return p
}

func unskipz(p []byte, size int) ([]byte, error) {
	if len(p) < 8 || little.Uint32(p) != uint32(size) || little.Uint32(p[4:]) != 0 {
		return nil, violation("skipz", "the header is not %d and 0", size)
	}
	data := make([]byte, size)
	end := 0
	for p = p[8:]; len(p) > 0; {
		if len(p) < 8 {
			return nil, violation("skipz", "the header of a segment is cut")
		}
		at, n := int64(little.Uint32(p)), int64(little.Uint32(p[4:]))
		p = p[8:]
		if at < int64(end) || n == 0 || at+n > int64(size) || n > int64(len(p)) {
			return nil, violation("skipz", "a segment of %d bytes at %d", n, at)
		}
		copy(data[at:], p[:n])
		end = int(at + n)
		p = p[n:]
	}
	return data, nil
}
