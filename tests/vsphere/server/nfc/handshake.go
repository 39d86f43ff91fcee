package nfc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"vmdkbkp.test/vsphere/faults"
	"vmdkbkp.test/vsphere/journal"
)

// messageBytes is the size of each message between the dialogue and the records.
const messageBytes = 264

// Types of these messages.
const (
	msgComplete    = 4
	msgParams      = 33
	msgParamsReply = 36
	msgHandshake   = 43
	msgVersion     = 51
	msgAIO         = 52
	msgConnection  = 54
	msgFeatures    = 55
)

var little = binary.LittleEndian

// piece reads one piece of the handshake: with TLS exactly one record, in clear exactly size bytes.
func (s *session) piece(sizes ...int) ([]byte, error) {
	if s.tls == nil {
		p := make([]byte, sizes[0])
		_, err := io.ReadFull(s.wire, p)
		return p, err
	}
	p := make([]byte, 17000)
	n, err := s.tls.Read(p)
	if err != nil && (n == 0 || !errors.Is(err, io.EOF)) {
		return nil, err
	}
	for _, size := range sizes {
		if n == size {
			return p[:n], nil
		}
	}
	return nil, violation("one-message-a-record", "a TLS record of %d bytes came, one of %v was expected", n, sizes)
}

// message checks the type of a message and that all of it is zero but the parts that it may use, which are given
// as pairs of where they begin and end.
func checkMessage(p []byte, wanted uint32, used ...int) error {
	if got := little.Uint32(p); got != wanted {
		return violation("message-order", "message %d came, %d was expected", got, wanted)
	}
	for i := 4; i < messageBytes; i++ {
		isUsed := false
		for pair := 0; pair < len(used); pair += 2 {
			isUsed = isUsed || (i >= used[pair] && i < used[pair+1])
		}
		if !isUsed && p[i] != 0 {
			return violation("message-padding", "message %d has a byte %d at %d, which must be 0", wanted, p[i], i)
		}
	}
	return nil
}

func makeMessage(kind uint32) []byte {
	p := make([]byte, messageBytes)
	little.PutUint32(p, kind)
	return p
}

// reply sends a message of the server, or what a fault puts in its place. code of the fault is the type of the
// message that it is for, 0 for any.
func (s *session) reply(p []byte) error {
	fault := s.fault("handshake", func(f faults.Fault) bool {
		return f.Code == 0 || f.Code == uint64(little.Uint32(p))
	})
	if fault != nil {
		switch fault.Kind {
		case "refuse":
			_ = s.send(makeMessage(msgComplete))
			return &refused{"refused by message 4, as told"}
		case "type":
			little.PutUint32(p, uint32(fault.Bytes))
		case "version":
			little.PutUint32(p[4:], uint32(fault.Bytes))
		case "silence":
			return s.waitForEnd()
		case "close":
			return &refused{"closed within the handshake, as told"}
		case "short":
			_ = s.send(p[:fault.Bytes])
			return &refused{"cut within a message, as told"}
		}
	}
	return s.send(p)
}

// shake plays the six messages of the client and the three of the server.
func (s *session) shake() error {
	p, err := s.piece(messageBytes)
	if err != nil {
		return err
	}
	if err := checkMessage(p, msgHandshake, 4, messageBytes); err != nil {
		return err
	}
	token := append([]byte(s.token), make([]byte, messageBytes-4-len(s.token))...)
	if !bytes.Equal(p[4:], token) {
		return violation("token", "message 43 has another token than the dialogue, or padding that is not 0")
	}

	if p, err = s.piece(messageBytes); err != nil {
		return err
	}
	if err := checkMessage(p, msgParams); err != nil {
		return err
	}
	ack := makeMessage(msgParamsReply)
	little.PutUint32(ack[16:], 1)
	if s.settings.EarlyAck {
		if err := s.reply(ack); err != nil {
			return err
		}
	}

	if p, err = s.piece(messageBytes); err != nil {
		return err
	}
	if err := checkMessage(p, msgVersion, 4, 12); err != nil {
		return err
	}
	proposed, second := little.Uint32(p[4:]), little.Uint32(p[8:])
	if second > 1 {
		return violation("message-padding", "message 51 has %d at 8, which must be 0 or 1", second)
	}
	if proposed < 3 || proposed > 12 {
		_ = s.send(makeMessage(msgComplete))
		return violation("version", "version %d was proposed", proposed)
	}
	if err := s.mustWait("message 51"); err != nil {
		return err
	}
	if !s.settings.EarlyAck {
		if err := s.reply(ack); err != nil {
			return err
		}
	}
	version := makeMessage(msgVersion)
	little.PutUint32(version[4:], s.port.Version)
	if err := s.reply(version); err != nil {
		return err
	}

	name, err := s.connection()
	if err != nil {
		return err
	}
	if p, err = s.piece(messageBytes); err != nil {
		return err
	}
	if err := checkMessage(p, msgFeatures, 4, 8); err != nil {
		return err
	}
	if features := little.Uint32(p[4:]); features != 3 {
		return violation("features", "message 55 has features %d, not 3", features)
	}
	if p, err = s.piece(messageBytes); err != nil {
		return err
	}
	if err := checkMessage(p, msgAIO); err != nil {
		return err
	}
	if err := s.mustWait("message 52"); err != nil {
		return err
	}
	s.log("handshake", journal.Fields{"client": name, "version": proposed, "encrypted": s.tls != nil})
	return s.reply(makeMessage(msgAIO))
}

// connection reads message 54 with its two strings, which come in the same write or in two more.
func (s *session) connection() (name string, err error) {
	var p []byte
	if s.tls != nil {
		p = make([]byte, 17000)
		n, err := s.tls.Read(p)
		if err != nil {
			return "", err
		}
		p = p[:n]
	} else if p, err = s.piece(messageBytes); err != nil {
		return "", err
	}
	if len(p) < messageBytes {
		return "", violation("one-message-a-record", "a TLS record of %d bytes has a part of message 54", len(p))
	}
	if err := checkMessage(p, msgConnection, 4, 12); err != nil {
		return "", err
	}
	lengths := []int{int(little.Uint32(p[4:])), int(little.Uint32(p[8:]))}
	if lengths[0] < 1 || lengths[0] > 255 || lengths[1] != len("nbdmode") {
		return "", violation("connection", "message 54 announces strings of %d and %d bytes", lengths[0], lengths[1])
	}
	rest := p[messageBytes:]
	if len(rest) == 0 {
		for _, length := range lengths {
			part, err := s.piece(length)
			if err != nil {
				return "", err
			}
			rest = append(rest, part...)
		}
	}
	if len(rest) != lengths[0]+lengths[1] {
		return "", violation("one-message-a-record", "%d bytes follow message 54, it announces %d and %d",
			len(rest), lengths[0], lengths[1])
	}
	if operation := string(rest[lengths[0]:]); operation != "nbdmode" {
		return "", violation("connection", "the operation is %q, not \"nbdmode\"", operation)
	}
	return string(rest[:lengths[0]]), nil
}
