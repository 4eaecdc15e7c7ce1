package documentprinter_test

import (
	"context"
	"net"
	"os"
	"testing"

	"github.com/plomb-pos/plomb/driver/sim"
	"github.com/plomb-pos/plomb/driver/sim/checkscanner"
	"github.com/plomb-pos/plomb/driver/sim/depository"
	"github.com/plomb-pos/plomb/driver/sim/documentprinter"
	"github.com/plomb-pos/plomb/driver/sim/fingerprint"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/driver/sim/terminal"
	"github.com/plomb-pos/plomb/internal/browsertest"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/biometric"
	"github.com/plomb-pos/plomb/xfs4iot/check"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/deposit"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
	"github.com/plomb-pos/plomb/xfs4iot/textterminal"
)

// must is a device that could be made.
func must[T panel.Device](t *testing.T) func(T, error) panel.Device {
	return func(d T, err error) panel.Device {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
}

// later sends a command that waits for somebody, and hands out its end.
func later[Req, Resp any](t *testing.T, xfs, service string, cmd xfs4iot.Command[Req, Resp], req *Req) <-chan error {
	t.Helper()
	conn, err := client.Dial(t.Context(), "ws://"+xfs+"/xfs4iot/v1.0/"+service, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ended := make(chan error, 1)
	go func() {
		_, err := client.Do(t.Context(), conn, cmd, req)
		ended <- err
	}()
	return ended
}

// A person hands paper to five devices in a real browser: a passbook into the
// printer, a cheque into the scanner, an envelope into the depository, a finger onto
// the sensor, keys on the terminal.
func TestAPersonWorksThePaperDevicesOnThePage(t *testing.T) {
	xfs, page := serveAll(t, map[string]panel.Device{
		"Documents":   must[*documentprinter.Printer](t)(documentprinter.New("Documents", documentprinter.Options{})),
		"Cheques":     must[*checkscanner.Scanner](t)(checkscanner.New("Cheques", checkscanner.Options{Mixed: true})),
		"Depository":  must[*depository.Depository](t)(depository.New("Depository", depository.Options{})),
		"Terminal":    must[*terminal.Terminal](t)(terminal.New("Terminal", terminal.Options{})),
		"Fingerprint": must[*fingerprint.Sensor](t)(fingerprint.New("Fingerprint", fingerprint.Options{})),
	})
	p := browsertest.Open(t, "http://"+page+"/", browsertest.Till)

	printed := later(t, xfs, "Documents", printer.PrintForm, &printer.PrintFormCommand{FormName: "PASSBOOK_LINE", MediaName: "PASSBOOK",
		MediaControl: &printer.MediaControlNullable{Move: "eject"}, Fields: map[string]xfs4iot.Strings{"LINE": {"22.11. deposit  50.00"}}})
	p.See("Please insert your passbook")
	p.Click("insert a passbook")
	end(t, "print", printed)
	p.See("please take your document")
	p.Until(`document.querySelector("#device-Documents .printslot img")?.naturalWidth > 0`)

	read := later(t, xfs, "Cheques", check.MediaIn, &check.MediaInCommand{CodelineFormat: "e13b"})
	p.See("please insert cheques")
	p.Click("Insert cheques")
	end(t, "media in", read)
	p.Until(`document.querySelector("#device-Cheques .cheque img")?.naturalWidth == 720`)

	deposited := later(t, xfs, "Depository", deposit.Entry, &deposit.EntryCommand{PrintData: "Shop 3"})
	p.See("please insert your envelope")
	p.Click("Insert an envelope")
	end(t, "entry", deposited)
	p.See("Takings – Shop 3")

	typed := later(t, xfs, "Terminal", textterminal.Read, &textterminal.ReadCommand{NumOfChars: new(1), Mode: "absolute", PosX: new(0), PosY: new(0),
		EchoMode: "text", Flush: new(true), ActiveKeys: []string{"q"}})
	p.See("a client reads the keyboard")
	p.Eval(`document.querySelector("#device-Terminal .keys button[aria-label=q]").click()`, nil)
	end(t, "read keys", typed)

	scanned := later(t, xfs, "Fingerprint", biometric.Read, &biometric.ReadCommand{Mode: "scan", NumCaptures: new(1)})
	p.See("please put a finger on the sensor")
	p.Click("Eva, right index")
	end(t, "read a finger", scanned)
	p.See("a finger lies on the sensor")
	if path := os.Getenv("PLOMB_TEST_PICTURE"); path != "" {
		p.Resize(browsertest.Size{Width: 1500, Height: 2300})
		p.Screenshot(path)
	}
}

func end(t *testing.T, what string, ended <-chan error) {
	t.Helper()
	if err := <-ended; err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func serveAll(t *testing.T, devices map[string]panel.Device) (xfs, page string) {
	t.Helper()
	all := sim.Empty()
	for name, d := range devices {
		if err := all.Add(name, d); err != nil {
			t.Fatal(err)
		}
	}
	ln, control := listen(t), listen(t)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- sim.Serve(ctx, all, ln, control, host.Config{}) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String(), control.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}
