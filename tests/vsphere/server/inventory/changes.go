package inventory

import (
	"errors"

	"vmdkbkp.test/vsphere/disk"
)

// Changes is the answer to a change query: the areas that changed within Length bytes from Start on.
type Changes struct {
	Start, Length int64
	Areas         []disk.Area
}

// BadArgument is a query with an argument that is not correct.
type BadArgument struct{ Name string }

func (b *BadArgument) Error() string { return "A specified parameter was not correct: " + b.Name }

// Changed answers a change query. snapshot is "" for the state now, page the most areas of an answer or 0.
// Errors are *BadArgument, or disk.ErrNotTracked.
func (inv *Inventory) Changed(m *Machine, snapshot string, key int32, start int64, since string, page int) (Changes, error) {
	d := m.ByKey(key)
	if d == nil {
		return Changes{}, &BadArgument{"deviceKey"}
	}
	var until *disk.Frozen
	capacity := d.Disk.Capacity()
	if snapshot != "" {
		link := inv.FileOf(m, snapshot, d)
		if link == nil {
			return Changes{}, &BadArgument{"deviceKey"}
		}
		until, capacity = link.Frozen, link.Frozen.Capacity()
	}
	if start < 0 || start >= capacity {
		return Changes{}, &BadArgument{"startOffset"}
	}
	areas, err := d.Disk.Changed(since, until, start)
	if errors.Is(err, disk.ErrChangeID) {
		return Changes{}, &BadArgument{"changeId"}
	}
	if err != nil {
		return Changes{}, err
	}
	changes := Changes{Start: start, Length: capacity - start, Areas: areas}
	if page > 0 && len(areas) > page {
		changes.Areas = areas[:page]
		changes.Length = areas[page-1].Start + areas[page-1].Length - start
	}
	return changes, nil
}

// Lie makes a right answer wrong in one way.
func (c Changes) Lie(kind string) Changes {
	areas := append([]disk.Area(nil), c.Areas...)
	end := c.Start + c.Length
	switch kind {
	case "nothing":
		areas = nil
	case "beyond":
		areas = append(areas, disk.Area{Start: end - 512, Length: 1 << 20})
	case "negative":
		areas = append(areas, disk.Area{Start: c.Start, Length: -512})
	case "unsorted":
		for i, j := 0, len(areas)-1; i < j; i, j = i+1, j-1 {
			areas[i], areas[j] = areas[j], areas[i]
		}
	case "zero-length":
		c.Length = 0
	case "negative-length":
		c.Length = -1
	case "too-long":
		c.Length += 1 << 20
	case "other-start":
		c.Start += 65536
	}
	c.Areas = areas
	return c
}
