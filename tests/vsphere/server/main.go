// The test server: an ESXi host or a vCenter, played for the tests of vmdkbkp. See README.md.
//
// It prints one line of JSON when it is ready and runs until its standard input ends, or SIGINT or SIGTERM comes.
package main

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"vmdkbkp.test/vsphere/certs"
	"vmdkbkp.test/vsphere/control"
	"vmdkbkp.test/vsphere/faults"
	"vmdkbkp.test/vsphere/front"
	"vmdkbkp.test/vsphere/journal"
	"vmdkbkp.test/vsphere/nfc"
	"vmdkbkp.test/vsphere/tickets"
	"vmdkbkp.test/vsphere/vim"
)

func main() {
	log.SetOutput(io.Discard) // the simulator's
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	vcenter := flag.Bool("vcenter", false, "play a vCenter and not an ESXi host")
	release := flag.String("release", "8.0.3", "release of the product: 7.0.3, 8.0.1 ...")
	folder := flag.String("folder", "", "folder for the disks and the log")
	user := flag.String("user", "backup", "name of the only account")
	password := flag.String("password", "s3cret pass/word", "password of the only account")
	datastores := flag.String("datastores", "datastore1", "names of datastores, with commas between")
	kind := flag.String("datastore-kind", "VMFS", "what the datastores are: VMFS, NFS, vsan ...")
	hosts := flag.Int("hosts", 1, "number of hosts of a vCenter")
	address := flag.String("address", "127.0.0.1:0", "address of the management port")
	dataAddress := flag.String("data-address", "127.0.0.1:0", "address of the data port")
	watchInput := flag.Bool("watch-stdin", false, "end when the standard input ends")
	flag.Parse()
	if *folder == "" || flag.NArg() > 0 {
		return fmt.Errorf("usage: vsphere-server -folder FOLDER ...; -help lists the options")
	}

	logFile, err := os.Create(*folder + "/log.jsonl")
	if err != nil {
		return err
	}
	chain, err := certs.New()
	if err != nil {
		return err
	}
	data, err := net.Listen("tcp", *dataAddress)
	if err != nil {
		return err
	}
	dataHost := data.Addr().(*net.TCPAddr).IP.String()
	dataPort := data.Addr().(*net.TCPAddr).Port
	events, armed := journal.New(logFile), &faults.Set{}
	store := &tickets.Store{
		VCenter: *vcenter, Host: dataHost, Port: int32(dataPort), Certs: chain, Faults: armed, Journal: events,
	}
	version := int32(11)
	if *release < "8" {
		version = 9
	}
	server, err := vim.New(vim.Options{
		VCenter: *vcenter, Release: *release, User: *user, Password: *password, Folder: *folder, Hosts: *hosts,
		Datastores: strings.Split(*datastores, ","), DatastoreKind: *kind, NfcVersion: version, Journal: events, Faults: armed, Tickets: store,
	})
	if err != nil {
		return err
	}
	port := &nfc.Port{
		Journal: events, Faults: armed, Certs: chain, Inventory: server.Inventory, Tickets: store, Version: uint32(version),
	}
	go port.Serve(data)

	outside := &front.Front{Backend: server, Journal: events, Faults: armed}
	management, err := net.Listen("tcp", *address)
	if err != nil {
		return err
	}
	web := &http.Server{Handler: outside, ErrorLog: log.New(handshakes{}, "", 0)}
	go func() { _ = web.Serve(tls.NewListener(management, managementTLS(chain, armed))) }()

	token := make([]byte, 16)
	if _, err := rand.Read(token); err != nil {
		return err
	}
	commands := &control.Control{
		Token: hex.EncodeToString(token), Password: *password, Server: server, Front: outside, Port: port,
		Tickets: store, Faults: armed, Journal: events,
	}
	inside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(inside, commands) }()

	good := chain.Get("")
	ready, err := json.Marshal(map[string]any{
		"host": management.Addr().(*net.TCPAddr).IP.String(), "port": management.Addr().(*net.TCPAddr).Port,
		"dataHost": dataHost, "dataPort": dataPort, "user": *user, "password": *password,
		"sha1": certs.SHA1(good), "sha256": certs.SHA256(good), "log": logFile.Name(),
		"certificate": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: good.Certificate[0]})),
		"control":     "http://" + inside.Addr().String(), "token": commands.Token,
	})
	if err != nil {
		return err
	}
	fmt.Println(string(ready))
	wait(*watchInput)
	events.Event("end", journal.Fields{"sessionsOpen": len(server.Sessions()), "counters": events.Counters()})
	return nil
}

// handshakes is a log without the handshakes that clients end, as they must when they see a wrong certificate.
type handshakes struct{}

func (handshakes) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "TLS handshake error") {
		return len(p), nil
	}
	return os.Stderr.Write(p)
}

// managementTLS is the TLS of the management port, which faults may change from one connection to the next.
func managementTLS(chain *certs.Chain, armed *faults.Set) *tls.Config {
	return &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		kind := ""
		if fault := armed.Take("tls", func(f faults.Fault) bool { return f.When == "443" }); fault != nil {
			kind = fault.Kind
		}
		config := &tls.Config{Certificates: []tls.Certificate{chain.Get(kind)}, MinVersion: tls.VersionTLS12}
		if !armed.Settings().TLS13 {
			config.MaxVersion = tls.VersionTLS12
		}
		return config, nil
	}}
}

// wait returns when the server shall end.
func wait(watchInput bool) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	ended := make(chan bool)
	if watchInput {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			ended <- true
		}()
	}
	select {
	case <-signals:
	case <-ended:
	}
}
