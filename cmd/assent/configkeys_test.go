package main

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestEveryKeyIsShown: deploy/assent.yaml has each key that the config can hold, in its
// table, in force or in a comment.
func TestEveryKeyIsShown(t *testing.T) {
	raw, err := os.ReadFile("../../deploy/assent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	top := regexp.MustCompile(`^(?:# )?([a-z_]+):`)
	key := regexp.MustCompile(`(?:^|[ #{,-])([a-z_]+):(?: |$)`)
	shown, section := map[string]bool{}, ""
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimRight(line, "\n")
		if m := top.FindStringSubmatch(line); m != nil {
			section = m[1]
			shown[section] = true
		}
		for _, m := range key.FindAllStringSubmatch(line, -1) {
			shown[section+"."+m[1]] = true
		}
	}
	var look func(section string, of reflect.Type)
	look = func(section string, of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct {
			return
		}
		for i := range of.NumField() {
			name := of.Field(i).Tag.Get("yaml")
			switch {
			case of.Field(i).Anonymous:
				look(section, of.Field(i).Type)
				continue
			case name == "":
				continue
			}
			in, at := section, section+"."+name
			if section == "" {
				in, at = name, name
			}
			if !shown[at] {
				t.Errorf("deploy/assent.yaml does not show %s", at)
			}
			look(in, of.Field(i).Type)
		}
	}
	look("", reflect.TypeFor[config]())
}
