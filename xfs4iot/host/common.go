package host

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/common"
)

// addCommon gives a service the commands that the engine answers by itself. They
// never block, so the reader runs them: Cancel is seen whatever else goes on.
func (s *Service) addCommon() {
	builtIn(s, common.Status, s.serveStatus)
	builtIn(s, common.Capabilities, s.serveCapabilities)
	builtIn(s, common.Cancel, serveCancel)
	s.handlers[common.Cancel.Info().Name][0].begin = beginCancel
	builtIn(s, common.SetVersions, s.serveSetVersions)
}

func builtIn[Req, Resp any](s *Service, c xfs4iot.Command[Req, Resp], h func(context.Context, *Command, *Req) (*Resp, error)) {
	Handle(s, c, h)
	s.handlers[c.Info().Name][0].inline = true
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

// beginCancel reads a Cancel without Validate: the 2021-1 schema wants at least one
// requestId, but an empty list, which matches nothing, is answered as such.
func beginCancel(m *xfs4iot.Message) (action, error) {
	req := new(common.CancelCommand)
	if err := m.Into(req); err != nil {
		return nil, err
	}
	return func(ctx context.Context, cmd *Command) (any, error) { return serveCancel(ctx, cmd, req) }, nil
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

// serveSetVersions takes a client's choice of majors, for its connection and until
// its end. A request that asks for anything not offered changes nothing.
func (s *Service) serveSetVersions(_ context.Context, cmd *Command, req *common.SetVersionsCommand) (*common.SetVersionsCompletion, error) {
	if req.Commands == nil && req.Events == nil {
		return nil, &xfs4iot.Error{Code: xfs4iot.InvalidData, Description: "neither commands nor events are given"}
	}
	events := s.eventVersions()
	if err := checkMajors(req.Commands, func(name string) []string { return commandVersions(s.handlers[name]) }); err != nil {
		return nil, err
	}
	if err := checkMajors(req.Events, func(name string) []string { return events[name] }); err != nil {
		return nil, err
	}
	cmd.conn.choose(req.Commands, req.Events)
	return nil, nil
}

func (c *conn) choose(choices ...map[string]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.majors == nil {
		c.majors = map[string]int{}
	}
	for _, choice := range choices {
		maps.Copy(c.majors, choice)
	}
}

func commandVersions(forms []handler) []string {
	var list []string
	for _, h := range forms {
		list = append(list, h.info.Version)
	}
	return list
}

func checkMajors(asked map[string]int, offered func(string) []string) error {
	for name, major := range asked {
		if !slices.ContainsFunc(offered(name), func(v string) bool { return majorOf(v) == major }) {
			return &xfs4iot.Error{Code: xfs4iot.UnsupportedData, Description: fmt.Sprintf("%.80q is not offered with major version %d", name, major)}
		}
	}
	return nil
}

func majorOf(version string) int {
	v, err := xfs4iot.ParseVersion(version)
	if err != nil {
		return -1
	}
	return v.Major
}

// eventVersions lists the events this service may send, highest major first: those of
// its commands, those it declared, and StatusChangedEvent.
func (s *Service) eventVersions() map[string][]string {
	versions := map[string][]string{}
	add := func(name, version string) {
		if !slices.Contains(versions[name], version) {
			versions[name] = append(versions[name], version)
		}
	}
	for _, e := range append([]xfs4iot.Event{common.StatusChangedEvent{}}, s.events...) {
		add(e.EventName(), e.EventVersion())
	}
	for _, forms := range s.handlers {
		for _, h := range forms {
			for _, e := range h.info.Events {
				add(e.Name, e.Version)
			}
		}
	}
	for _, list := range versions {
		slices.SortFunc(list, func(a, b string) int { return majorOf(b) - majorOf(a) })
	}
	return versions
}
