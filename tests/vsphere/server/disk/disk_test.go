package disk

import (
	"bytes"
	"errors"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const mebibyte = 1 << 20

func open(t *testing.T, capacity int64) *Disk {
	t.Helper()
	folder := t.TempDir()
	d, err := Open(filepath.Join(folder, "a-flat.vmdk"), folder, capacity)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func readAll(t *testing.T, c Content) []byte {
	t.Helper()
	all := make([]byte, c.Capacity())
	// Odd pieces, so that runs begin and end inside units.
	for at := 0; at < len(all); {
		n := 200*SectorBytes + SectorBytes
		if n > len(all)-at {
			n = len(all) - at
		}
		if _, err := c.ReadAt(all[at:at+n], int64(at)); err != nil {
			t.Fatal(err)
		}
		at += n
	}
	return all
}

func writeRandom(t *testing.T, d *Disk, random *rand.Rand, model []byte) {
	t.Helper()
	sectors := int64(len(model) / SectorBytes)
	at := random.Int63n(sectors)
	n := 1 + random.Int63n(300)
	if n > sectors-at {
		n = sectors - at
	}
	data := make([]byte, n*SectorBytes)
	if random.Intn(4) > 0 {
		random.Read(data)
	}
	if _, err := d.WriteAt(data, at*SectorBytes); err != nil {
		t.Fatal(err)
	}
	copy(model[at*SectorBytes:], data)
}

func TestFrozenStatesKeepTheirBytes(t *testing.T) {
	const seed = 17
	random := rand.New(rand.NewSource(seed))
	d := open(t, 3*mebibyte+5*SectorBytes)
	model := make([]byte, d.Capacity())
	type state struct {
		frozen *Frozen
		bytes  []byte
	}
	var states []state
	for round := 0; round < 200; round++ {
		switch choice := random.Intn(10); {
		case choice == 0 && len(states) < 5:
			f, err := d.Freeze()
			if err != nil {
				t.Fatal(err)
			}
			states = append(states, state{f, append([]byte(nil), model...)})
		case choice == 1 && len(states) > 0:
			i := random.Intn(len(states))
			states[i].frozen.Release()
			states = append(states[:i], states[i+1:]...)
		case choice == 2 && len(states) > 0:
			i := random.Intn(len(states))
			if err := d.Revert(states[i].frozen); err != nil {
				t.Fatal(err)
			}
			copy(model, states[i].bytes)
		default:
			writeRandom(t, d, random, model)
		}
		for i, s := range states {
			if !bytes.Equal(readAll(t, s.frozen), s.bytes) {
				t.Fatalf("seed %d round %d: frozen state %d has other bytes", seed, round, i)
			}
		}
	}
	live, err := os.ReadFile(d.Path())
	if err != nil || !bytes.Equal(live, model) || !bytes.Equal(readAll(t, d), model) {
		t.Fatalf("seed %d: the file does not have the newest bytes (%v)", seed, err)
	}
	for _, s := range states {
		s.frozen.Release()
	}
	left, err := filepath.Glob(filepath.Join(d.folder, "*.frozen-*"))
	if err != nil || len(left) != 0 {
		t.Fatalf("left behind: %v %v", left, err)
	}
}

func TestChangedAreasAreTheWrittenUnits(t *testing.T) {
	d := open(t, 64*mebibyte)
	d.Track(true, false)
	first, _ := d.Freeze()
	sector := bytes.Repeat([]byte{7}, SectorBytes)
	write := func(at int64, p []byte) {
		if _, err := d.WriteAt(p, at); err != nil {
			t.Fatal(err)
		}
	}
	write(0, sector)
	write(10*mebibyte+512, sector)
	// 4 MiB that begin inside a unit are one area of 4 MiB and one unit.
	write(20*mebibyte+32768, bytes.Repeat([]byte{9}, 4*mebibyte))
	second, _ := d.Freeze()
	write(40*mebibyte, sector)
	third, _ := d.Freeze()

	want := []Area{{0, 65536}, {10 * mebibyte, 65536}, {20 * mebibyte, 4*mebibyte + 65536}}
	expect(t, d, first.ChangeID(), second, 0, want)
	expect(t, d, first.ChangeID(), second, 10*mebibyte, want[1:])
	expect(t, d, first.ChangeID(), second, 10*mebibyte+1024, []Area{{10*mebibyte + 1024, 65536 - 1024}, want[2]})
	expect(t, d, second.ChangeID(), third, 0, []Area{{40 * mebibyte, 65536}})
	expect(t, d, first.ChangeID(), third, 0, append(want, Area{40 * mebibyte, 65536}))
	expect(t, d, third.ChangeID(), third, 0, nil)
	expect(t, d, "*", first, 0, nil)
	expect(t, d, "*", second, 0, []Area{{0, mebibyte}, {10 * mebibyte, mebibyte}, {20 * mebibyte, 5 * mebibyte}})
	if _, err := d.Changed(third.ChangeID(), second, 0); !errors.Is(err, ErrChangeID) {
		t.Fatalf("an id that is newer than the state: %v", err)
	}
	if !strings.HasSuffix(first.ChangeID(), "/1") || !strings.HasSuffix(second.ChangeID(), "/2") {
		t.Fatalf("ids %q %q", first.ChangeID(), second.ChangeID())
	}
	d.ResetTracking()
	if _, err := d.Changed(first.ChangeID(), second, 0); !errors.Is(err, ErrChangeID) {
		t.Fatalf("an id of another epoch: %v", err)
	}
	d.Track(false, false)
	if _, err := d.Changed("*", second, 0); !errors.Is(err, ErrNotTracked) {
		t.Fatalf("without tracking: %v", err)
	}
}

func expect(t *testing.T, d *Disk, since string, until *Frozen, start int64, want []Area) {
	t.Helper()
	got, err := d.Changed(since, until, start)
	if err != nil || len(got) != len(want) {
		t.Fatalf("since %q: got %v %v, want %v", since, got, err, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("since %q: got %v, want %v", since, got, want)
		}
	}
}

func TestHolesOfAnExistingFileAreNotAllocated(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "thin")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte{1}, 5*mebibyte); err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(64 << 30); err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	d, err := Open(path, folder, 64<<30)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	got := d.Allocated(0, d.Capacity())
	if len(got) != 1 || got[0] != (Area{5 * mebibyte, mebibyte}) {
		t.Fatalf("allocated: %v", got)
	}
	// Freezing and reading a disk of 64 GiB costs nothing that grows with it.
	f, err := d.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.WriteAt(make([]byte, SectorBytes), 64<<30-SectorBytes); err != nil {
		t.Fatal(err)
	}
	piece := make([]byte, mebibyte)
	if _, err := f.ReadAt(piece, 64<<30-mebibyte); err != nil {
		t.Fatal(err)
	}
}

func TestAnEmptyFileHasNothingAllocated(t *testing.T) {
	d := open(t, 64*mebibyte)
	if got := d.Allocated(0, d.Capacity()); len(got) != 0 {
		t.Fatalf("allocated: %v", got)
	}
	folder := t.TempDir()
	path := filepath.Join(folder, "hole")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 8*mebibyte); err != nil {
		t.Fatal(err)
	}
	hole, err := Open(path, folder, 8*mebibyte)
	if err != nil {
		t.Fatal(err)
	}
	defer hole.Close()
	if got := hole.Allocated(0, hole.Capacity()); len(got) != 0 {
		t.Fatalf("allocated: %v", got)
	}
}
