package web_test

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Text and its ground differ by at least 4.5:1 in both themes (WCAG 2.2, 1.4.3).
func TestTextIsReadableInBothThemes(t *testing.T) {
	pairs := []string{
		"ink/ground", "ink/sheet", "ink/sunk", "ink/warn-soft", "ink/stop-soft", "ink/go-soft", "ink/info-soft",
		"soft/ground", "soft/sheet", "soft/sunk", "soft/go-soft", "soft/info-soft", "go-ink/go", "go-text/go-soft", "go-text/sheet", "go-text/sunk",
		"stop/sheet", "stop/stop-soft", "stop-ink/stop", "warn/warn-soft", "warn/sheet", "train/train-soft",
	}
	for i := range 8 {
		pairs = append(pairs, fmt.Sprintf("hue-%d/sheet", i))
	}
	light, dark := themes(t)
	for _, pair := range pairs {
		text, ground, _ := strings.Cut(pair, "/")
		for theme, colours := range map[string]map[string]string{"light": light, "dark": dark} {
			if got := contrast(t, colours[text], colours[ground]); got < 4.5 {
				t.Errorf("%s: %s has a contrast of %.2f, want 4.5", theme, pair, got)
			}
		}
	}
}

func themes(t *testing.T) (light, dark map[string]string) {
	t.Helper()
	parts := strings.SplitN(read(t, "page/css/look.css"), `:root[data-theme="dark"]`, 2)
	return colours(parts[0]), colours(parts[1])
}

func colours(css string) map[string]string {
	found := map[string]string{}
	for _, m := range regexp.MustCompile(`--([a-z0-9-]+): *#([0-9a-f]{6});`).FindAllStringSubmatch(css, -1) {
		found[m[1]] = m[2]
	}
	return found
}

// contrast is the ratio of WCAG 2.2.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	rgb, err := strconv.ParseUint(colour, 16, 32)
	if err != nil {
		t.Fatalf("colour %q: %v", colour, err)
	}
	part := func(shift uint) float64 {
		v := float64(rgb>>shift&0xff) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}
