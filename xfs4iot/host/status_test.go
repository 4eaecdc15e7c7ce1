package host_test

import (
	"testing"

	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// A driver runs before its service is served, so it may find its device at the
// moment at which the service is added; the race detector watches.
func TestTheStatusMayChangeWhileTheServiceIsAdded(t *testing.T) {
	for range 20 {
		svc := host.NewService("Device", host.Declaration{Status: common.StatusCompletion{Common: &common.StatusProperties{Device: common.DeviceStarting}}})
		changed := make(chan error, 1)
		go func() {
			changed <- svc.SetStatus(func(s *common.StatusCompletion) { s.Common.Device = common.DeviceOnline })
		}()
		srv := host.New(host.Config{})
		if err := srv.Add(svc); err != nil {
			t.Fatal(err)
		}
		if err := <-changed; err != nil {
			t.Fatal(err)
		}
		srv.Close()
	}
}
