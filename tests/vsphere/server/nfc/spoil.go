package nfc

import (
	"vmdkbkp.test/vsphere/faults"
)

// spoilFragment makes the records of a fragment wrong in one way. What they should have been is given by the
// fragment, its header, its bytes, and its bytes as they would be sent.
func (s *session) spoilFragment(fault faults.Fault, f fragment, h ioHeader, data, extra []byte) ([]byte, error) {
	sequence := f.job.sequence
	good := record(opIO, sequence, h.payload(), extra)
	zlibOf := func(p []byte) {
		extra = deflate(p)
		h.Compression = codeZlib
	}
	skipzOf := func(length int, all ...segment) {
		extra = skipzOf(length, all)
		h.Compression = codeSkipz
	}
	half := len(data) / 2
	switch fault.Kind {
	case "missing":
		return nil, nil
	case "twice":
		return append(append([]byte(nil), good...), good...), nil
	case "overlap":
		// A second fragment that begins in the middle of the first.
		second := h
		second.Place += uint32(half)
		second.Bytes, second.Extra, second.Compression = uint32(len(data)-half), uint32(len(data)-half), codeNone
		return append(append([]byte(nil), good...), record(opIO, sequence, second.payload(), data[half:])...), nil
	case "status":
		h.Status = fault.Code
	case "direction":
		h.Direction = 0
	case "offset":
		h.Offset += 512
	case "total":
		h.Total += 512
	case "place":
		h.Place += uint32(fault.Bytes)
	case "outside":
		h.Place = h.Total
	case "bytes":
		h.Bytes += 512
	case "bytes-short":
		h.Bytes -= 512
	case "empty":
		h.Bytes, extra = 0, nil
	case "huge":
		h.Extra = 0x7FFFFFF0
		return record(opIO, sequence, h.payload(), extra), nil
	case "extra-short":
		h.Extra -= 16
		return record(opIO, sequence, h.payload(), extra), nil
	case "code":
		h.Compression = 9
	case "fastlz":
		h.Compression = 2
	case "sequence":
		sequence += 1000
	case "reserved":
		h.Zero = 1
	case "flip":
		extra = append([]byte(nil), extra...)
		extra[s.mix.Intn(len(extra))] ^= 1
	case "zlib-long":
		zlibOf(append(append([]byte(nil), data...), 1))
	case "zlib-short":
		zlibOf(data[:len(data)-1])
	case "zlib-bomb":
		zlibOf(make([]byte, 8<<20))
	case "zlib-cut":
		zlibOf(data)
		extra = extra[:len(extra)/2]
	case "zlib-trailing":
		zlibOf(data)
		extra = append(extra, 1, 2, 3)
	case "zlib-checksum":
		zlibOf(data)
		extra[len(extra)-1] ^= 1
	case "zlib-garbage":
		extra = make([]byte, 100)
		s.mix.Read(extra)
		h.Compression = codeZlib
	case "skipz-outside":
		skipzOf(len(data), segment{len(data) - 8, data[:16]})
	case "skipz-far":
		skipzOf(len(data), segment{0xFFFFFFF8, data[:16]})
	case "skipz-overlap":
		skipzOf(len(data), segment{0, data[:half]}, segment{half - 8, data[half-8 : half+8]})
	case "skipz-length":
		skipzOf(len(data)+512, segment{0, data[:16]})
	case "skipz-cut":
		skipzOf(len(data), segment{0, data[:half]})
		extra = extra[:len(extra)-4]
	case "skipz-header":
		extra, h.Compression = []byte{0, 0, 1, 0, 0, 0}, codeSkipz
	case "cut":
		_ = s.sendRecord(good[:len(good)/2])
		return nil, errCut
	case "garbage":
		good = make([]byte, len(good))
		s.mix.Read(good)
		return good, nil
	}
	h.Extra = uint32(len(extra))
	return record(opIO, sequence, h.payload(), extra), nil
}
