package guide_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/host/internal/guide"
	"github.com/plomb-pos/plomb/xfs4iot/textterminal"
)

func TestTheGuideShowsTheProgramThatRuns(t *testing.T) {
	text, err := os.ReadFile("../../../../docs/guides/device-service.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("guide.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, found := strings.Cut(string(program), "package guide\n\n")
	if !found || !strings.Contains(string(text), "```go\n"+code+"```") {
		t.Error("docs/guides/device-service.md does not show the code of guide.go")
	}
	lines := 0
	for line := range strings.Lines(code) {
		if strings.TrimSpace(line) != "" {
			lines++
		}
	}
	if lines > 60 {
		t.Errorf("the program has %d lines, the guide promises 60", lines)
	}
}

func TestTheGuidesDisplayShowsWhatAClientWrites(t *testing.T) {
	var screen bytes.Buffer
	ln, err := host.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- guide.NewDisplay(&screen).Serve(ctx, ln, host.Config{VendorName: "Example"}) }()
	c, err := client.Dial(t.Context(), "ws://"+ln.Addr().String()+"/xfs4iot/v1.0/Display", client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	req := &textterminal.WriteCommand{Mode: textterminal.ModesAbsolute, PosX: new(0), PosY: new(0), Text: "Total 12.30", TextAttr: &textterminal.WriteCommandTextAttr{}}
	if _, err := client.Do(t.Context(), c, textterminal.Write, req); err != nil {
		t.Error(err)
	}
	if _, err := client.Do(t.Context(), c, textterminal.Reset, nil); err != nil {
		t.Error(err)
	}
	_ = c.Close()
	stop()
	if err := <-ended; err != nil || screen.String() != "Total 12.30\n" {
		t.Errorf("%q %v", screen.String(), err)
	}
}
