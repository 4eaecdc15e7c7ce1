package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const lookAhead = `^(?=[!-~]{0,1024}$)`

// validate writes the Validate method of a struct.
func (g *generator) validate(name, at string, n *node) {
	var lines []string
	for _, f := range n.Fields {
		lines = append(lines, g.fieldRules(name, f, n)...)
	}
	if n.Extra != nil {
		lines = append(lines, g.mapRules(`"*"`, "p.Extra", n.ExtraKeyPattern, n.Extra, name+"Extra")...)
	}
	g.f.p("// Validate reports values outside the description of %s.", at)
	if len(lines) == 0 {
		g.f.p("func (%s) Validate() error { return nil }\n", name)
		return
	}
	g.f.imports[module+"/internal/rule"] = true
	g.f.p("func (p %s) Validate() error {\nvar c rule.Fields\n%s\nreturn c.Err()\n}\n", name, strings.Join(lines, "\n"))
}

// fieldRules gives the statements that check one field.
func (g *generator) fieldRules(parent string, f member[*node], in *node) []string {
	n, name := f.Value, exported(f.Name)
	inline := inlineName(parent, name)
	var lines []string
	if slices.Contains(in.rules.Required, f.Name) && !n.Nullable {
		lines = append(lines, fmt.Sprintf("c.Required(%q, %s)", f.Name, present(g.kind(n), "p."+name)))
	}
	value := "p." + name
	switch g.kind(n) {
	case "object":
		return append(lines, fmt.Sprintf("rule.Set(&c, %q, %s, (*%s).Validate)", f.Name, value, g.typeName(n, inline)))
	case "enum":
		return append(lines, fmt.Sprintf("rule.Set(&c, %q, %s, %s.Validate)", f.Name, value, g.typeName(n, inline)))
	case "map":
		return append(lines, g.mapRules(strconv.Quote(f.Name), value, keyPattern(n), n.Element, inline+"Value")...)
	case "array":
		if n.rules.MinItems > 0 {
			lines = append(lines, fmt.Sprintf("c.Add(%q, rule.Items[%s](%d)(%s))", f.Name, g.typeName(n.Items, inline+"Item"), n.rules.MinItems, value))
		}
	}
	rule := g.rule(n, inline, false)
	switch {
	case rule == "":
	case n.Type == "integer" && n.Ints == nil:
		lines = append(lines, fmt.Sprintf("rule.Int(&c, %q, %s, %s)", f.Name, value, rule))
	case n.Type == "integer":
		lines = append(lines, fmt.Sprintf("rule.Set(&c, %q, %s, rule.Present(%s))", f.Name, value, rule))
	case n.Type == "string", n.Type == "number":
		lines = append(lines, fmt.Sprintf("rule.Set(&c, %q, %s, %s)", f.Name, value, rule))
	default:
		lines = append(lines, fmt.Sprintf("c.Add(%q, %s(%s))", f.Name, rule, value))
	}
	return lines
}

func (g *generator) mapRules(quoted, value, keys string, element *node, name string) []string {
	var lines []string
	if keys != "" {
		lines = append(lines, fmt.Sprintf("c.Add(%s, rule.Keys[%s](%s)(%s))", quoted, g.typeName(element, name, true), pattern(keys), value))
	}
	if rule := g.rule(element, name, true); rule != "" {
		lines = append(lines, fmt.Sprintf("c.Add(%s, rule.Values(%s)(%s))", quoted, rule, value))
	}
	return lines
}

// typeName is the Go type of an element that has been written already.
func (g *generator) typeName(n *node, name string, inMap ...bool) string {
	var ignored []nested
	return g.element(n, name, "", len(inMap) > 0, &ignored)
}

func keyPattern(n *node) string {
	if n.KeyPattern != "" {
		return n.KeyPattern
	}
	return n.rules.KeyPattern
}

func present(kind, value string) string {
	switch kind {
	case "string", "enum", "number":
		return value + ` != ""`
	}
	return value + " != nil"
}

// rule is a Go expression of type func(T) error for a value, empty for none.
func (g *generator) rule(n *node, name string, inMap bool) string {
	switch g.kind(n) {
	case "object":
		if t := g.typeName(n, name); inMap {
			return "rule.Present(" + t + ".Validate)"
		} else {
			return t + ".Validate"
		}
	case "enum":
		return g.typeName(n, name) + ".Validate"
	case "string":
		return stringRule(n)
	case "bytes":
		if n.Pattern != "" {
			return "rule.NotEmpty"
		}
	case "number":
		return numberRule(n)
	case "integer":
		return intRule(n, name)
	case "array":
		return g.within("rule.Each", n.Items, name+"Item", false)
	case "map":
		return g.within("rule.Values", n.Element, name+"Value", true)
	}
	return ""
}

func (g *generator) within(how string, n *node, name string, inMap bool) string {
	if rule := g.rule(n, name, inMap); rule != "" {
		return how + "(" + rule + ")"
	}
	return ""
}

func stringRule(n *node) string {
	switch r := n.rules; {
	case n.Pattern != "":
		return pattern(n.Pattern)
	case r.MinLength > 0 || r.MaxLength > 0:
		return fmt.Sprintf("rule.Length(%d, %d)", r.MinLength, r.MaxLength)
	}
	return ""
}

func pattern(expr string) string {
	if rest, ok := strings.CutPrefix(expr, lookAhead); ok {
		return "rule.Printable(1024, " + quote("^"+rest) + ")"
	}
	return "rule.Pattern(" + quote(expr) + ")"
}

func quote(s string) string {
	if strings.Contains(s, "`") {
		return strconv.Quote(s)
	}
	return "`" + s + "`"
}

// numberRule bounds a decimal by the 2021-1 schema, the only source that has bounds.
func numberRule(n *node) string {
	if len(n.rules.Min)+len(n.rules.Max) == 0 {
		return "xfs4iot.Decimal.Validate"
	}
	return fmt.Sprintf("rule.Between[xfs4iot.Decimal](%q, %q)", string(n.rules.Min), string(n.rules.Max))
}

func intRule(n *node, name string) string {
	if n.Ints != nil {
		return name + ".Validate"
	}
	low, high := bound(n.Min, n.rules.Min), bound(n.Max, n.rules.Max)
	switch {
	case low != "" && high != "":
		return fmt.Sprintf("rule.Range(%s, %s)", low, high)
	case low != "":
		return fmt.Sprintf("rule.Min(%s)", low)
	case high != "":
		return fmt.Sprintf("rule.Max(%s)", high)
	}
	return ""
}

func bound(v *int, schema []byte) string {
	if v != nil {
		return strconv.Itoa(*v)
	}
	return string(schema)
}
