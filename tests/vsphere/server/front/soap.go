package front

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

const envelope = xml.Header + `<soapenv:Envelope xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/" ` +
	`xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" ` +
	`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>%s</soapenv:Body></soapenv:Envelope>`

// Fault is what a call is refused with: a fault of the API and the words of the server.
type Fault struct {
	Text   string
	Detail types.BaseMethodFault
}

func notAuthenticated() *Fault {
	return &Fault{"The session is not authenticated.", &types.NotAuthenticated{}}
}

// InvalidArgument makes the fault of a parameter that was not correct.
func InvalidArgument(property string) *Fault {
	return &Fault{
		"A specified parameter was not correct: " + property, &types.InvalidArgument{InvalidProperty: property},
	}
}

// FaultOf makes a fault of the API by its name, with members given in JSON.
func FaultOf(name, text string, members json.RawMessage) (*Fault, error) {
	kind, known := typeOf(name)
	if !known {
		return nil, fmt.Errorf("the API has no fault %q", name)
	}
	detail, ok := reflect.New(kind).Interface().(types.BaseMethodFault)
	if !ok {
		return nil, fmt.Errorf("%q is not a fault", name)
	}
	if len(members) > 0 {
		if err := json.Unmarshal(members, detail); err != nil {
			return nil, err
		}
	}
	return &Fault{text, detail}, nil
}

// name returns the fault's name in the API.
func (f *Fault) name() string { return reflect.TypeOf(f.Detail).Elem().Name() }

// Answer is an HTTP answer before it is sent.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

func newAnswer(status int, body string) Answer {
	return Answer{status, http.Header{"Content-Type": {"text/xml; charset=utf-8"}}, []byte(body)}
}

func element(name string, attributes []xml.Attr, value any) string {
	var out bytes.Buffer
	start := xml.StartElement{Name: xml.Name{Local: name}, Attr: attributes}
	if err := xml.NewEncoder(&out).EncodeElement(value, start); err != nil {
		panic(err)
	}
	return out.String()
}

func attribute(name, value string) xml.Attr {
	return xml.Attr{Name: xml.Name{Local: name}, Value: value}
}

// Result makes the answer of a call that has a result.
func Result(method string, value any) Answer {
	text := element(method+"Response", []xml.Attr{attribute("xmlns", "urn:vim25")}, value)
	return newAnswer(http.StatusOK, fmt.Sprintf(envelope, text))
}

// Refuse makes the answer of a call that is refused.
func Refuse(f *Fault) Answer {
	var text bytes.Buffer
	_ = xml.EscapeText(&text, []byte(f.Text))
	detail := element(f.name()+"Fault", []xml.Attr{
		attribute("xmlns", "urn:vim25"), attribute("xsi:type", f.name()),
	}, f.Detail)
	return newAnswer(http.StatusInternalServerError, fmt.Sprintf(envelope,
		"<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>"+text.String()+
			"</faultstring><detail>"+detail+"</detail></soapenv:Fault>"))
}

// faultNamed finds the name of the fault in an answer, "" if it is none.
func (a Answer) faultNamed() string {
	if a.Status != http.StatusInternalServerError {
		return ""
	}
	_, rest, _ := strings.Cut(string(a.Body), "<detail>")
	_, rest, _ = strings.Cut(rest, `xsi:type="`)
	name, _, _ := strings.Cut(rest, `"`)
	return name
}

// WithWords gives a fault the sentence that the simulator leaves out.
func (a Answer) WithWords() Answer {
	name := a.faultNamed()
	text := map[string]string{
		"NotAuthenticated": "The session is not authenticated.",
		"InvalidLogin":     "Cannot complete login due to an incorrect user name or password.",
		"InvalidArgument":  "A specified parameter was not correct: ",
	}[name]
	if name != "" && text == "" {
		text = "The operation failed: " + name
	}
	a.Body = bytes.Replace(a.Body, []byte("<faultstring></faultstring>"), []byte("<faultstring>"+text+"</faultstring>"), 1)
	a.Body = bytes.Replace(a.Body, []byte("<faultstring>Login failure<"), []byte("<faultstring>"+text+"<"), 1)
	return a
}
