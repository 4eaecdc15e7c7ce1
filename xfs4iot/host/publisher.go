package host

import (
	"context"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/servicepublisher"
)

// newPublisher makes the service behind /xfs4iot/v1.0. Its name is empty.
func newPublisher(srv *Server) *Service {
	online := common.StatusCompletion{Common: &common.StatusProperties{Device: common.DeviceOnline}}
	p := NewService("", Declaration{Status: online, Events: []xfs4iot.Event{servicepublisher.ServiceDetailEvent{}}})
	builtIn(p, servicepublisher.GetServices, func(_ context.Context, cmd *Command, _ *servicepublisher.GetServicesCommand) (*servicepublisher.GetServicesCompletion, error) {
		return &servicepublisher.GetServicesCompletion{VendorName: srv.cfg.VendorName, Services: srv.list(cmd.conn.base)}, nil
	})
	return p
}

// list names the services by the address under which a client came.
func (s *Server) list(base string) []servicepublisher.Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []servicepublisher.Service{}
	for _, svc := range s.services {
		list = append(list, servicepublisher.Service{ServiceURI: base + "/" + svc.name})
	}
	return list
}

// announce tells the publisher's clients which services there are now.
func (s *Service) announce() {
	s.statusMu.Lock()
	defer s.statusMu.Unlock()
	for _, c := range s.connections() {
		e := servicepublisher.ServiceDetailEvent{VendorName: s.srv.cfg.VendorName, Services: s.srv.list(c.base)}
		h := xfs4iot.Header{Type: xfs4iot.TypeUnsolicited, Name: e.EventName(), Version: e.EventVersion()}
		if m, err := xfs4iot.New(h, e); err == nil {
			c.send([]*xfs4iot.Message{m})
		}
	}
}
