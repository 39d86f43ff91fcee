package nfc

import (
	"time"

	"vmdkbkp.test/vsphere/journal"
)

// Directions of an IO request.
const (
	directionWrite = 0
	directionRead  = 1
)

// read is a request that waits for its answer.
type read struct {
	sequence       uint32
	offset, length int64
	compression    uint32
	due            time.Time
}

// io checks an IO request. A read is put in line, a fragment of a write is taken.
func (s *session) io(r request) error {
	switch r.u32(8) {
	case directionRead:
		if s.write != nil {
			return violation("write-fragments", "a read came within a write")
		}
		return s.queueRead(r)
	case directionWrite:
		return s.writeFragment(r)
	}
	return violation("direction", "direction %d", r.u32(8))
}

func (s *session) queueRead(r request) error {
	if err := s.checkHandle(r.u64(0)); err != nil {
		return err
	}
	if err := r.zeros(40, 44); err != nil {
		return err
	}
	compression, offset, length := r.u32(12), r.u64(16), r.u64(24)
	capacity := uint64(s.disk.Capacity())
	switch {
	case compression != codeNone && compression != codeZlib && compression != codeSkipz:
		return violation("compression", "compression %d is asked for", compression)
	case uint64(r.u32(32)) != length || uint64(r.u32(36)) != length:
		return violation("length", "a read has lengths %d, %d and %d", length, r.u32(32), r.u32(36))
	case length == 0 || length > maxRequestBytes:
		return violation("length", "a read of %d bytes", length)
	case offset%512 != 0 || length%512 != 0:
		return violation("sectors", "a read of %d bytes at %d is not in sectors", length, offset)
	case offset > capacity || length > capacity-offset:
		return violation("capacity", "a read of %d bytes at %d is beyond the capacity %d", length, offset, capacity)
	}
	now := s.addUnderWay(1)
	most := s.settings.MaxUnderWay
	if most == 0 {
		most = defaultUnderWay
	}
	if now > most {
		return violation("under-way", "%d reads are under way", now)
	}
	s.port.Journal.Reach("readsMost", s.port.Journal.Add("readsUnderWay", 1))
	s.port.Journal.Reach("readsMostOnOne", int64(now))
	s.port.Journal.Add("reads", 1)
	s.port.Journal.Add("bytesRead", int64(length))
	if !s.settings.NoReads {
		s.log("read", journal.Fields{"offset": offset, "length": length, "compression": compression, "underWay": now})
	}
	due := time.Now().Add(time.Duration(s.port.Faults.Settings().LatencyMs) * time.Millisecond)
	s.jobs <- read{r.sequence, int64(offset), int64(length), compression, due}
	return nil
}

func (s *session) addUnderWay(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.underWay += n
	return s.underWay
}

func (s *session) underWayNow() int { return s.addUnderWay(0) }

// sendReads answers reads until there are no more.
func (s *session) sendReads() {
	for job := range s.jobs {
		batch := []read{job}
		time.Sleep(time.Until(job.due))
		if order := s.settings.Order; order == "mixed" || order == "reversed" {
			batch = s.gather(batch)
		}
		err := s.sendBatch(batch)
		if err == nil {
			continue
		}
		s.mu.Lock()
		s.sendErr = err
		s.mu.Unlock()
		_ = s.wire.Close()
		for range s.jobs { // nobody waits for the rest
			s.finishRead()
		}
	}
}

// gather takes the reads that wait as well. A moment of patience makes it likely that there are some.
func (s *session) gather(batch []read) []read {
	patience := time.After(5 * time.Millisecond)
	for len(batch) < 16 {
		select {
		case job, more := <-s.jobs:
			if !more {
				return batch
			}
			batch = append(batch, job)
			time.Sleep(time.Until(job.due))
		case <-patience:
			return batch
		}
	}
	return batch
}

func (s *session) finishRead() {
	s.addUnderWay(-1)
	s.port.Journal.Add("readsUnderWay", -1)
}

// sendBatch answers reads with all their fragments, in the order that the settings want.
func (s *session) sendBatch(batch []read) error {
	var all []fragment
	left := map[uint32]int{}
	for _, job := range batch {
		fragments := s.cut(job)
		if s.settings.Order == "shuffled" {
			s.mix.Shuffle(len(fragments), func(i, j int) { fragments[i], fragments[j] = fragments[j], fragments[i] })
		}
		left[job.sequence] = len(fragments)
		if s.settings.Order == "reversed" {
			all = append(fragments, all...)
		} else {
			all = append(all, fragments...)
		}
	}
	if s.settings.Order == "mixed" {
		s.mix.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
	// Fragments are sent in groups, and the reads that a group completes are over before it leaves: the client
	// may ask for more as soon as it has the last one.
	defer func() {
		for _, missing := range left {
			if missing > 0 {
				s.finishRead() // it will never be answered
			}
		}
	}()
	out := s.buffer[:0]
	for i, f := range all {
		var err error
		if out, err = s.encode(out, f); err != nil {
			return err
		}
		if left[f.job.sequence]--; left[f.job.sequence] == 0 {
			s.finishRead()
		}
		if len(out) < 512<<10 && i < len(all)-1 {
			continue
		}
		if err := s.sendRecord(out); err != nil {
			return err
		}
		out = out[:0]
	}
	s.buffer = out
	return nil
}
