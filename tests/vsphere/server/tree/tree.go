// Package tree changes trees of snapshots. It never changes a list in place: readers may hold the old one.
package tree

import "github.com/vmware/govmomi/vim25/types"

// Ref and List are short for the types of the API.
type (
	Ref  = types.ManagedObjectReference
	List = []types.VirtualMachineSnapshotTree
)

// Each visits all snapshots of a tree.
func Each(list List, visit func(types.VirtualMachineSnapshotTree)) {
	for _, snapshot := range list {
		visit(snapshot)
		Each(snapshot.ChildSnapshotList, visit)
	}
}

// Insert returns the tree with a new snapshot below parent, or as a root without one.
func Insert(list List, parent *Ref, added types.VirtualMachineSnapshotTree) List {
	copied := append(List(nil), list...)
	if parent == nil {
		return append(copied, added)
	}
	for i := range copied {
		below := copied[i].ChildSnapshotList
		if copied[i].Snapshot == *parent {
			copied[i].ChildSnapshotList = Insert(below, nil, added)
		} else if len(below) > 0 {
			copied[i].ChildSnapshotList = Insert(below, parent, added)
		}
	}
	return copied
}

// Without returns the tree without a snapshot, and the references of what went: the snapshot, and its children
// if they go as well; if they do not, they take its place. heir is the snapshot below which it was.
func Without(list List, gone Ref, children bool) (left List, removed []Ref, heir *Ref) {
	for _, snapshot := range list {
		if snapshot.Snapshot != gone {
			below, fromBelow, found := Without(snapshot.ChildSnapshotList, gone, children)
			if len(fromBelow) > 0 {
				removed, heir = fromBelow, found
				if heir == nil {
					self := snapshot.Snapshot
					heir = &self
				}
			}
			snapshot.ChildSnapshotList = below
			left = append(left, snapshot)
			continue
		}
		removed = []Ref{gone}
		if children {
			Each(snapshot.ChildSnapshotList, func(child types.VirtualMachineSnapshotTree) {
				removed = append(removed, child.Snapshot)
			})
		} else {
			left = append(left, snapshot.ChildSnapshotList...)
		}
	}
	return left, removed, heir
}
