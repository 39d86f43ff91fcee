package tree

import (
	"fmt"
	"testing"

	"github.com/vmware/govmomi/vim25/types"
)

func ref(name string) Ref { return Ref{Type: "VirtualMachineSnapshot", Value: name} }

func node(name string) types.VirtualMachineSnapshotTree {
	return types.VirtualMachineSnapshotTree{Snapshot: ref(name), Name: name}
}

func show(list List) string {
	text := ""
	for _, snapshot := range list {
		text += snapshot.Name
		if len(snapshot.ChildSnapshotList) > 0 {
			text += "(" + show(snapshot.ChildSnapshotList) + ")"
		}
	}
	return text
}

// sample is a(b(c)d)e.
func sample() List {
	below := func(name string) *Ref { r := ref(name); return &r }
	list := Insert(nil, nil, node("a"))
	list = Insert(list, below("a"), node("b"))
	list = Insert(list, below("b"), node("c"))
	list = Insert(list, below("a"), node("d"))
	return Insert(list, nil, node("e"))
}

func TestTree(t *testing.T) {
	if got := show(sample()); got != "a(b(c)d)e" {
		t.Fatalf("inserted: %s", got)
	}
	for _, c := range []struct {
		gone     string
		children bool
		left     string
		removed  string
		heir     string
	}{
		{"a", false, "b(c)de", "[a]", ""},
		{"a", true, "e", "[a b c d]", ""},
		{"b", false, "a(cd)e", "[b]", "a"},
		{"b", true, "a(d)e", "[b c]", "a"},
		{"c", false, "a(bd)e", "[c]", "b"},
		{"e", true, "a(b(c)d)", "[e]", ""},
		{"x", true, "a(b(c)d)e", "[]", ""},
	} {
		list := sample()
		left, removed, heir := Without(list, ref(c.gone), c.children)
		names := []string{}
		for _, r := range removed {
			names = append(names, r.Value)
		}
		heirName := ""
		if heir != nil {
			heirName = heir.Value
		}
		if show(left) != c.left || fmt.Sprint(names) != c.removed || heirName != c.heir {
			t.Errorf("without %s %v: %s %v %q", c.gone, c.children, show(left), names, heirName)
		}
		if show(list) != "a(b(c)d)e" {
			t.Errorf("without %s changed the list that it was given: %s", c.gone, show(list))
		}
	}
}
