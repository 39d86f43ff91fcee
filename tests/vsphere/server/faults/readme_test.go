package faults

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheReadmeHasAllFaultsAndRules looks for each kind of fault and each rule of a violation in README.md.
func TestTheReadmeHasAllFaultsAndRules(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	has := func(word string) bool { return strings.Contains(string(text), "`"+word+"`") }
	for at := range kinds {
		if !has(at) {
			t.Errorf("the place %s is missing", at)
		}
		for _, kind := range Kinds(at) {
			if !has(kind) {
				t.Errorf("the fault %s of %s is missing", kind, at)
			}
		}
	}
	rule := regexp.MustCompile(`(?:\bviolation\(|\.Violation\(|beginTLS\()"([a-z0-9-]+)"`)
	found := 0
	for _, pattern := range []string{"../nfc/*.go", "../front/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range rule.FindAllStringSubmatch(string(source), -1) {
				found++
				if !has(match[1]) {
					t.Errorf("the rule %s of %s is missing", match[1], file)
				}
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d rules were found in the sources", found)
	}
}
