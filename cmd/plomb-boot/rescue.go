package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// serveRescue shows what happened and what to do, until ctx ends. It takes no
// orders: what it advises is done at the machine.
func (l *launcher) serveRescue(ctx context.Context, plan slot.Plan) error {
	ln, err := listen(l.rescue)
	if err != nil {
		return fmt.Errorf("show the rescue page: %w", err)
	}
	fmt.Fprintf(l.words, "plomb-boot: nothing may start; http://%s/ says why\n", ln.Addr())
	l.sayBlocked(ctx)
	server := &http.Server{Handler: l.rescueHandler(plan), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("show the rescue page: %w", err)
	}
	return nil
}

// sayBlocked tells whoever started the launcher that the page is there: to be started
// again would help nobody.
func (l *launcher) sayBlocked(ctx context.Context) {
	_ = l.above.Status("blocked: nothing may start; the rescue page says why")
	_ = l.above.Ready()
	go func() { _ = l.above.Heartbeat(ctx, func() bool { return true }) }()
}

// listen takes an address, or "fd:N" for a listener that was inherited: whoever started
// the launcher keeps one port open through every change of the software.
func listen(address string) (net.Listener, error) {
	number, ok := strings.CutPrefix(address, "fd:")
	if !ok {
		return net.Listen("tcp", address)
	}
	fd, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%q is no descriptor: %w", address, err)
	}
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close()
	return net.FileListener(f)
}

// rescueHandler is the page at / and the same as JSON at /status.json.
func (l *launcher) rescueHandler(plan slot.Plan) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+rescueStyleHash+"'; frame-ancestors 'none'")
		w.Header().Set("Cache-Control", "no-store")
		_ = rescuePage.Execute(w, l.rescueData(plan, language(r))) // the reader is gone
	})
	mux.HandleFunc("GET /status.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(w).Encode(l.status()) // the reader is gone
	})
	return mux
}

// rescueData is what the page shows.
type rescueData struct {
	Words  rescueWords
	Style  template.CSS
	Reason string
	Advice string
	Status status
	Root   string
}

func (l *launcher) rescueData(plan slot.Plan, lang string) rescueData {
	last := plan.Steps[len(plan.Steps)-1]
	w := rescueLanguages[lang]
	d := rescueData{Words: w, Style: rescueStyle, Reason: last.Reason.String(), Advice: w.Advice, Status: l.status(), Root: l.Root}
	if last.Err != nil {
		d.Reason += ": " + last.Err.Error()
	}
	switch {
	case last.Reason == slot.TableLost:
		d.Advice = w.AdviceTable
	case errors.Is(last.Err, errSettings), errors.Is(last.Err, manifest.ErrPolicy):
		d.Advice = w.AdviceSettings
	}
	return d
}

// language picks the reader's language.
func language(r *http.Request) string {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		base, _, _ := strings.Cut(tag, "-")
		if _, ok := rescueLanguages[base]; ok {
			return base
		}
	}
	return "en"
}

// rescueWords are the page's words in one language.
type rescueWords struct {
	Language, Title, What, Why, Todo, Advice, AdviceTable, AdviceSettings, Safe, Slots, Log string
}

var rescueLanguages = map[string]rescueWords{
	"en": {"en", "This till does not start", "Its software could not be verified, so nothing was started.", "Why", "What to do",
		"Call the service. Have a newer release installed from a stick (plomb update install) or, after the cause was found, run plomb-boot unblock.",
		"Call the service. plomb-boot repair makes the slot table again from what the slots hold.",
		"Call the service. Files in boot/ that say whom this till trusts, or what it is, have to be put back as they were when it was commissioned. Nothing else may be changed.",
		"Everything recorded is safe: the journal is not touched.", "Versions", "Last events"},
	"de": {"de", "Diese Kasse startet nicht", "Ihre Software ließ sich nicht prüfen, darum wurde nichts gestartet.", "Warum", "Was zu tun ist",
		"Rufen Sie den Service. Eine neuere Version vom Stick installieren lassen (plomb update install) oder, wenn die Ursache gefunden ist, plomb-boot unblock ausführen.",
		"Rufen Sie den Service. plomb-boot repair stellt die Slot-Tabelle aus dem Inhalt der Slots wieder her.",
		"Rufen Sie den Service. Dateien in boot/, die sagen, wem diese Kasse vertraut oder was sie ist, müssen wieder so hingelegt werden wie bei der Inbetriebnahme. Sonst darf nichts geändert werden.",
		"Alles Aufgezeichnete ist sicher: Das Journal bleibt unberührt.", "Versionen", "Letzte Ereignisse"},
	"pl": {"pl", "Kasa się nie uruchamia", "Oprogramowania nie dało się zweryfikować, dlatego nic nie uruchomiono.", "Dlaczego", "Co zrobić",
		"Wezwij serwis. Zleć instalację nowszej wersji z nośnika (plomb update install) albo, po ustaleniu przyczyny, uruchom plomb-boot unblock.",
		"Wezwij serwis. plomb-boot repair odtwarza tabelę slotów z ich zawartości.",
		"Wezwij serwis. Pliki w boot/, które mówią, komu ta kasa ufa lub czym jest, trzeba przywrócić w stanie z uruchomienia kasy. Niczego innego nie wolno zmieniać.",
		"Wszystko, co zapisano, jest bezpieczne: dziennik pozostaje nietknięty.", "Wersje", "Ostatnie zdarzenia"},
	"zh": {"zh", "收银机未能启动", "软件未通过验证，因此没有启动任何程序。", "原因", "怎么办",
		"请联系服务人员：从U盘安装更新的版本（plomb update install），或在查明原因后运行 plomb-boot unblock。",
		"请联系服务人员：plomb-boot repair 会根据各槽的内容重建槽表。",
		"请联系服务人员：boot/ 中说明本机信任谁、本机是什么的文件必须恢复为启用时的内容，其他内容不得改动。",
		"已记录的数据都是安全的：日志未被触动。", "版本", "最近事件"},
}

// rescueStyleHash allows exactly this style, CSP level 2.
var rescueStyleHash = func() string {
	sum := sha256.Sum256([]byte(rescueStyle))
	return base64.StdEncoding.EncodeToString(sum[:])
}()

const rescueStyle = template.CSS(`:root{color-scheme:light dark}body{font:18px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}h1{font-size:1.6rem;border-left:.5rem solid #b3261e;padding-left:.8rem}li{overflow-wrap:anywhere}code{font-size:.85em}.log{font-size:.85rem}`)

var rescuePage = template.Must(template.New("rescue").Parse(`<!doctype html>
<html lang="{{.Words.Language}}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Words.Title}}</title><style>{{.Style}}</style></head><body>
<h1>{{.Words.Title}}</h1><p>{{.Words.What}} <strong>{{.Words.Safe}}</strong></p>
<h2>{{.Words.Why}}</h2><p>{{.Reason}}</p>
<h2>{{.Words.Todo}}</h2><p>{{.Advice}} <code>--root {{.Root}}</code></p>
<h2>{{.Words.Slots}}</h2><ul>{{range $name, $s := .Status.Slots}}<li>{{$name}}: {{if $s.Error}}{{$s.Error}}{{else}}{{$s.Identity}} ({{$s.Counter}}){{end}}</li>{{end}}</ul>
<h2>{{.Words.Log}}</h2><ol class="log" reversed>{{range .Status.Recent}}<li value="{{.Sequence}}">{{.Time.Format "2006-01-02 15:04:05"}} {{.Text}}</li>{{end}}</ol>
</body></html>
`))
