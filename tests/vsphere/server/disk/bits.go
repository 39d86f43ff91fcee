package disk

// bits is a set of unit numbers that grows as needed.
type bits []uint64

func (b bits) has(unit int64) bool {
	word := unit >> 6
	return word < int64(len(b)) && b[word]&(1<<(unit&63)) != 0
}

// add puts the units from first to last into the set.
func (b *bits) add(first, last int64) {
	if need := last>>6 + 1; need > int64(len(*b)) {
		*b = append(*b, make(bits, need-int64(len(*b)))...)
	}
	for unit := first; unit <= last; unit++ {
		(*b)[unit>>6] |= 1 << (unit & 63)
	}
}

// join adds all units of other.
func (b *bits) join(other bits) {
	if len(other) > len(*b) {
		*b = append(*b, make(bits, len(other)-len(*b))...)
	}
	for i, word := range other {
		(*b)[i] |= word
	}
}

func (b bits) copy() bits {
	return append(bits(nil), b...)
}

// Area is a run of bytes of a disk.
type Area struct{ Start, Length int64 }

// areas turns units of a size into runs of bytes between start and end.
func (b bits) areas(unitBytes, start, end int64) []Area {
	var found []Area
	for unit := start / unitBytes; unit*unitBytes < end; unit++ {
		if unit>>6 >= int64(len(b)) {
			break
		}
		if b[unit>>6] == 0 {
			unit |= 63 // skips an empty word
			continue
		}
		if !b.has(unit) {
			continue
		}
		from, to := unit*unitBytes, (unit+1)*unitBytes
		if from < start {
			from = start
		}
		if to > end {
			to = end
		}
		if n := len(found); n > 0 && found[n-1].Start+found[n-1].Length == from {
			found[n-1].Length += to - from
		} else {
			found = append(found, Area{from, to - from})
		}
	}
	return found
}
