package nfc

import (
	"vmdkbkp.test/vsphere/journal"
)

// write is a write of which fragments are still to come.
type write struct {
	sequence uint32
	offset   uint64
	total    uint32
	place    uint32 // where the next fragment must begin
}

// writeFragment takes one fragment of a write, and answers after the last.
func (s *session) writeFragment(r request) error {
	h := ioHeader{
		Compression: r.u32(12), Offset: r.u64(16), Total: r.u32(24), Place: r.u32(28), Bytes: r.u32(32), Extra: r.u32(36),
	}
	if h.Extra == 0 || h.Extra > maxBufferBytes {
		return violation("length", "a fragment of a write has %d bytes of extra", h.Extra)
	}
	extra, err := s.extra(h.Extra)
	if err != nil {
		return err
	}
	if err := s.checkHandle(r.u64(0)); err != nil {
		return err
	}
	if err := r.zeros(40, 44); err != nil {
		return err
	}
	if s.disk.Write == nil {
		return violation("read-only", "a write to a disk that was opened to be read")
	}
	capacity := uint64(s.disk.Capacity())
	if s.write == nil {
		switch {
		case h.Total == 0 || h.Total > maxRequestBytes:
			return violation("length", "a write of %d bytes", h.Total)
		case h.Offset%512 != 0 || h.Total%512 != 0:
			return violation("sectors", "a write of %d bytes at %d is not in sectors", h.Total, h.Offset)
		case h.Offset > capacity || uint64(h.Total) > capacity-h.Offset:
			return violation("capacity", "a write of %d bytes at %d is beyond the capacity %d", h.Total, h.Offset, capacity)
		}
		s.write = &write{sequence: r.sequence, offset: h.Offset, total: h.Total}
	}
	w := s.write
	switch {
	case h.Offset != w.offset || h.Total != w.total:
		return violation("write-fragments", "a fragment is of a write of %d bytes at %d, not %d at %d",
			h.Total, h.Offset, w.total, w.offset)
	case h.Place != w.place || h.Bytes == 0 || h.Bytes > w.total-w.place:
		return violation("write-fragments", "a fragment of %d bytes at %d, the next must begin at %d of %d",
			h.Bytes, h.Place, w.place, w.total)
	case h.Bytes > uint32(s.bufferBytes) || h.Bytes%512 != 0:
		return violation("write-fragments", "a fragment of %d bytes, buffers have %d", h.Bytes, s.bufferBytes)
	}
	var data []byte
	switch h.Compression {
	case codeNone:
		if h.Extra != h.Bytes {
			return violation("length", "a stored fragment of %d bytes has %d of extra", h.Bytes, h.Extra)
		}
		data = extra
	case codeZlib:
		data, err = inflate(extra, int(h.Bytes))
	case codeSkipz:
		data, err = unskipz(extra, int(h.Bytes))
	default:
		return violation("compression", "a fragment of a write has compression %d", h.Compression)
	}
	if err != nil {
		return err
	}
	if _, err := s.disk.Write(data, int64(w.offset)+int64(w.place)); err != nil {
		return err
	}
	if w.place += h.Bytes; w.place < w.total {
		return nil
	}
	s.write = nil
	s.port.Journal.Add("bytesWritten", int64(w.total))
	s.log("write", journal.Fields{"offset": w.offset, "length": w.total})
	answer := ioHeader{Offset: w.offset, Total: w.total, Bytes: w.total}
	return s.respond(r, answer.payload(), nil)
}
