package host

import (
	"context"
	"fmt"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/common"
)

// addCommon gives a service the commands that the engine answers by itself. They
// never block, so the reader runs them: Cancel is seen whatever else goes on.
func (s *Service) addCommon() {
	builtIn(s, common.Status, s.serveStatus)
	builtIn(s, common.Capabilities, s.serveCapabilities)
	builtIn(s, common.Cancel, serveCancel)
	builtIn(s, common.SetVersions, s.serveSetVersions)
}

func builtIn[Req, Resp any](s *Service, c xfs4iot.Command[Req, Resp], h func(context.Context, *Command, *Req) (*Resp, error)) {
	Handle(s, c, h)
	b := s.handlers[c.Info().Name]
	b.inline = true
	s.handlers[c.Info().Name] = b
}

func (s *Service) serveStatus(context.Context, *Command, *common.StatusCommand) (*common.StatusCompletion, error) {
	status := s.Status()
	return &status, nil
}

func (s *Service) serveCapabilities(context.Context, *Command, *common.CapabilitiesCommand) (*common.CapabilitiesCompletion, error) {
	caps := s.caps
	caps.Interfaces = s.interfaces()
	return &caps, nil
}

func serveCancel(_ context.Context, cmd *Command, req *common.CancelCommand) (*common.CancelCompletion, error) {
	var ids []int64
	if req.RequestIDs != nil {
		ids = []int64{}
	}
	for _, id := range req.RequestIDs {
		ids = append(ids, int64(id))
	}
	cmd.conn.cancelRequests(cmd, ids)
	return nil, errAnswered
}

// serveSetVersions answers a client's choice of majors for its connection. One
// major of each message is offered, so there is nothing to keep: that choice is
// confirmed, asking for any other is refused as a whole.
func (s *Service) serveSetVersions(_ context.Context, _ *Command, req *common.SetVersionsCommand) (*common.SetVersionsCompletion, error) {
	if req.Commands == nil && req.Events == nil {
		return nil, &xfs4iot.Error{Code: xfs4iot.InvalidData, Description: "neither commands nor events are given"}
	}
	if err := checkMajors(req.Commands, s.commandVersion); err != nil {
		return nil, err
	}
	events := s.eventVersions()
	if err := checkMajors(req.Events, func(name string) string { return events[name] }); err != nil {
		return nil, err
	}
	return nil, nil
}

func (s *Service) commandVersion(name string) string { return s.handlers[name].info.Version }

func checkMajors(asked map[string]int, offered func(string) string) error {
	for name, major := range asked {
		v, err := xfs4iot.ParseVersion(offered(name))
		if err != nil || v.Major != major {
			return &xfs4iot.Error{Code: xfs4iot.UnsupportedData, Description: fmt.Sprintf("%.80q is not offered with major version %d", name, major)}
		}
	}
	return nil
}

// eventVersions lists the events this service may send: those of its commands,
// those it declared, and StatusChangedEvent.
func (s *Service) eventVersions() map[string]string {
	versions := map[string]string{}
	all := append([]xfs4iot.Event{common.StatusChangedEvent{}}, s.events...)
	for _, e := range all {
		versions[e.EventName()] = e.EventVersion()
	}
	for _, h := range s.handlers {
		for _, e := range h.info.Events {
			versions[e.Name] = e.Version
		}
	}
	return versions
}
