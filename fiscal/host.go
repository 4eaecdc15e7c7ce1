package fiscal

import (
	"slices"

	"github.com/plomb-pos/plomb/journal/proof"
)

// DeviceHost begins the journal of a host of devices, which has no shop and sells
// nothing: it holds what happened to the devices and who was refused.
type DeviceHost struct {
	plain
	Name     string `json:"name"`
	Software string `json:"software"`
	Key      string `json:"key"` // verifier key of the origin
}

// Kind is device-host.
func (*DeviceHost) Kind() proof.Kind { return KindDeviceHost }
func (b *DeviceHost) check(s *State) error {
	if !line(b.Name, maxHostName) || b.Name == "" || b.Key == "" {
		return refuse(CodeNotCommissioned, "a host of devices without name or key")
	}
	return nil
}
func (b *DeviceHost) apply(s *State, _ *proof.Head) error {
	s.Software, s.Key, s.Host = b.Software, b.Key, b.Name
	return nil
}

const maxHostName = 255

// hosted are the kinds that a host of devices may record.
var hosted = []proof.Kind{KindSnapshot, KindSoftwareStart, KindClockChange, KindSignerDown, KindSignerUp, KindKeyRotate, KindRecovery, KindDeviceState, KindConnectionRefused}

// admitsHost refuses whatever a host of devices cannot have done.
func (s *State) admitsHost(b Body) error {
	if s.Host != "" && !slices.Contains(hosted, b.Kind()) {
		return refuse(CodeNotCommissioned, "%s by a host of devices", KindName(b.Kind()))
	}
	return nil
}

// ConnectionRefused is a connection that was refused or cut off, or a command that a
// client has no right to.
type ConnectionRefused struct {
	plain
	Peer     string `json:"peer"`              // network address
	Identity string `json:"identity,omitzero"` // as far as it is known
	Service  string `json:"service,omitzero"`
	Command  string `json:"command,omitzero"`
	Reason   string `json:"reason"` // word, such as "unknownAuthority"
	Detail   string `json:"detail,omitzero"`
	Further  int64  `json:"further,omitzero"` // refusals before this one that were too many to record
}

// Kind is connection-refused.
func (*ConnectionRefused) Kind() proof.Kind { return KindConnectionRefused }
