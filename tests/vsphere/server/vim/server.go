// Package vim is govmomi's simulator (Apache-2.0) with what a backup needs and the simulator lacks: snapshots that
// freeze disks, change tracking, tickets for the data port, a description of a machine.
package vim

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"

	"vmdkbkp.test/vsphere/faults"
	"vmdkbkp.test/vsphere/front"
	"vmdkbkp.test/vsphere/inventory"
	"vmdkbkp.test/vsphere/journal"
	"vmdkbkp.test/vsphere/machines"
	"vmdkbkp.test/vsphere/tickets"
)

// Options of a server.
type Options struct {
	VCenter        bool
	Release        string // "7.0.3", "8.0.3" ...
	User, Password string
	Folder         string   // in which the disks are
	Datastores     []string // names
	DatastoreKind  string   // "VMFS", "NFS" ...
	Hosts          int      // of a vCenter
	NfcVersion     int32
	Journal        *journal.Journal
	Faults         *faults.Set
	Tickets        *tickets.Store
}

// Server is the simulator. There can be one in a process: the simulator has global variables.
type Server struct {
	Options
	Inventory *inventory.Inventory

	model      *simulator.Model
	Maker      *machines.Maker
	nfcService types.ManagedObjectReference
	snapshots  int32 // that were ever made
}

// New starts the simulator with its hosts and datastores, without machines.
func New(o Options) (*Server, error) {
	s := &Server{Options: o, model: simulator.ESX()}
	s.nfcService = types.ManagedObjectReference{Type: "NfcService", Value: "ha-nfc-service"}
	product := "VMware ESXi"
	if o.VCenter {
		s.model = simulator.VPX()
		s.model.Cluster, s.model.Portgroup, s.model.Host = 0, 0, o.Hosts
		s.nfcService.Value, product = "nfcService", "VMware vCenter Server"
	}
	s.model.Machine, s.model.Datastore = 0, 0
	about := &s.model.ServiceContent.About
	about.Name, about.Version, about.ApiVersion = product, o.Release, o.Release+".0"
	about.FullName = product + " " + o.Release + " build-1"
	if err := s.model.Create(); err != nil {
		return nil, err
	}
	service := s.model.Service
	service.Listen = &url.URL{User: url.UserPassword(o.User, o.Password)}
	service.RegisterSDK(simulator.Map, "/sdk/vimService")
	service.ServeMux.HandleFunc("/sdk/vimServiceVersions.xml", service.ServiceVersions)
	service.ServeMux.HandleFunc("/nfc/", simulator.ServeNFC)
	client, err := vim25.NewClient(context.Background(), service)
	if err != nil {
		return nil, err
	}
	s.Inventory = inventory.New(s.isRunning)
	s.Maker = &machines.Maker{Client: client, Inventory: s.Inventory, Folder: o.Folder, VCenter: o.VCenter}
	for _, name := range o.Datastores {
		if err := s.addDatastore(name); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// addDatastore makes a datastore, whose files are in a folder of its name, and mounts it on all hosts.
func (s *Server) addDatastore(name string) error {
	folder := filepath.Join(s.Folder, name)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for _, host := range simulator.Map.All("HostSystem") {
		manager := object.NewHostSystem(s.Maker.Client, host.Reference()).ConfigManager()
		system, err := manager.DatastoreSystem(context.Background())
		if err != nil {
			return err
		}
		datastore, err := system.CreateLocalDatastore(context.Background(), name, folder)
		if err != nil {
			return err
		}
		simulator.Map.Get(datastore.Reference()).(*simulator.Datastore).Summary.Type = s.DatastoreKind
	}
	return nil
}

// Sessions returns the keys of the open sessions.
func (s *Server) Sessions() map[string]bool {
	session := simulator.SpoofContext().Session
	manager := session.Get(*s.model.ServiceContent.SessionManager).(*simulator.SessionManager)
	keys := map[string]bool{}
	for _, open := range manager.SessionList {
		keys[open.Key] = true
	}
	return keys
}

// Expire ends all sessions, as a server does when they are idle. It returns how many.
func (s *Server) Expire() int {
	request := &types.TerminateSession{}
	for key := range s.Sessions() {
		request.SessionId = append(request.SessionId, key)
	}
	simulator.Map.SessionManager().TerminateSession(simulator.SpoofContext(), request)
	return len(request.SessionId)
}

// Call answers a call: one of ours, or one of the simulator's.
func (s *Server) Call(r *http.Request, name string, body []byte) front.Answer {
	method, err := simulator.UnmarshalBody(types.TypeFunc(), body)
	if err != nil {
		return front.Refuse(&front.Fault{Text: err.Error(), Detail: &types.InvalidRequest{}})
	}
	if call := calls[name]; call != nil {
		if value, f := call(s, method.Body); f != nil {
			return front.Refuse(f)
		} else if value != nil {
			return front.Result(name, value)
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	recorder := httptest.NewRecorder()
	s.model.Service.ServeMux.ServeHTTP(recorder, r)
	recorder.Header().Set("Content-Type", "text/xml; charset=utf-8")
	return front.Answer{Status: recorder.Code, Header: recorder.Header(), Body: recorder.Body.Bytes()}
}

// File answers a request for a file of a datastore.
func (s *Server) File(w http.ResponseWriter, r *http.Request) { s.model.Service.ServeDatastore(w, r) }

// InUse tells whether a machine or a client has a file open.
func (s *Server) InUse(datastore, path string) bool {
	return s.Inventory.InUse(fmt.Sprintf("[%s] %s", datastore, path))
}

// Other answers all other requests.
func (s *Server) Other(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/sdk/nfcServiceVersions.xml" {
		fmt.Fprintf(w, `<?xml version="1.0"?><namespaces version="1.0"><namespace><name>urn:nfc</name>`+
			`<version>%s</version></namespace></namespaces>`, s.model.ServiceContent.About.ApiVersion)
		return
	}
	s.model.Service.ServeMux.ServeHTTP(w, r)
}

// locked runs a function while it has the lock of a machine; false if there is no such machine.
func locked(ref string, f func(*simulator.VirtualMachine)) bool {
	vm, ok := simulator.Map.Get(vmRef(ref)).(*simulator.VirtualMachine)
	if ok {
		simulator.Map.WithLock(simulator.SpoofContext(), vm, func() { f(vm) })
	}
	return ok
}

func vmRef(value string) types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "VirtualMachine", Value: value}
}

func (s *Server) isRunning(ref string) (running bool) {
	locked(ref, func(vm *simulator.VirtualMachine) {
		running = vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
	})
	return running
}

// AddMachine makes a machine.
func (s *Server) AddMachine(spec machines.Spec) (machines.Made, error) {
	return s.Maker.Add(context.Background(), spec)
}

// Power switches a machine on or off.
func (s *Server) Power(ref string, on bool) error {
	if on {
		s.stun(ref)
	}
	return s.Maker.Power(context.Background(), ref, on)
}
