package front

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

var typeOf = types.TypeFunc()

// checkHeaders refuses what a real server may refuse or misread.
func checkHeaders(r *http.Request) error {
	if action := r.Header.Get("SOAPAction"); !strings.HasPrefix(action, `"urn:vim25`) || !strings.HasSuffix(action, `"`) {
		return fmt.Errorf("SOAPAction is %q, not a quoted \"urn:vim25...\"", action)
	}
	if kind := r.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/xml") {
		return fmt.Errorf("Content-Type is %q, not text/xml", kind)
	}
	return nil
}

// checkBody finds the method of a request and the value of the object that it is for. It refuses a request whose
// elements are unknown or not in the order of the schema, as real servers do; the simulator takes any order.
func checkBody(body string) (method string, this types.ManagedObjectReference, err error) {
	d := xml.NewDecoder(strings.NewReader(body))
	isBody := false
	for {
		token, err := d.Token()
		if err != nil {
			return "", this, fmt.Errorf("the request is no SOAP: %v", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if !isBody {
			isBody = start.Name.Local == "Body"
			continue
		}
		kind, known := typeOf(start.Name.Local)
		if !known {
			return start.Name.Local, this, fmt.Errorf("the method %s is unknown", start.Name.Local)
		}
		if space := start.Name.Space; space != "urn:vim25" && space != "urn:nfc" {
			return start.Name.Local, this, fmt.Errorf("the method %s is in namespace %q", start.Name.Local, space)
		}
		this, err := checkThis(d)
		if err != nil {
			return start.Name.Local, this, err
		}
		return start.Name.Local, this, checkChildren(d, start.Name.Local, kind)
	}
}

// checkThis reads the first child of a method, which says what object it is for.
func checkThis(d *xml.Decoder) (this types.ManagedObjectReference, err error) {
	for {
		token, err := d.Token()
		if err != nil {
			return this, err
		}
		switch t := token.(type) {
		case xml.EndElement:
			return this, fmt.Errorf("there is no _this")
		case xml.StartElement:
			if err := d.DecodeElement(&this, &t); err != nil {
				return this, err
			}
			if t.Name.Local != "_this" || this.Type == "" || this.Value == "" {
				return this, fmt.Errorf("the first element is %s, not _this with a type", t.Name.Local)
			}
			return this, nil
		}
	}
}

// checkChildren reads the children of an element of a type, up to its end.
func checkChildren(d *xml.Decoder, path string, kind reflect.Type) error {
	fields := fieldsOf(kind)
	last := 0
	for {
		token, err := d.Token()
		if err != nil {
			return err
		}
		if _, ended := token.(xml.EndElement); ended {
			return nil
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		name := path + "/" + start.Name.Local
		for last < len(fields) && fields[last].name != start.Name.Local {
			last++
		}
		if last == len(fields) {
			return fmt.Errorf("the element %s is unknown or out of order", name)
		}
		field := fields[last].kind
		if field.Kind() != reflect.Slice {
			last++
		} else if field.Elem().Kind() != reflect.Uint8 {
			field = field.Elem()
		}
		for _, a := range start.Attr {
			if a.Name.Local == "type" && strings.Contains(a.Name.Space, "XMLSchema-instance") {
				if given, known := typeOf(a.Value[strings.IndexByte(a.Value, ':')+1:]); known {
					field = given
				}
			}
		}
		if field.Kind() == reflect.Ptr {
			field = field.Elem()
		}
		if field.Kind() != reflect.Struct || len(fieldsOf(field)) == 0 {
			if err := d.Skip(); err != nil {
				return err
			}
		} else if err := checkChildren(d, name, field); err != nil {
			return err
		}
	}
}

type namedField struct {
	name string
	kind reflect.Type
}

// fieldsOf lists the elements of a type in the order of the schema: those of its base type come first.
func fieldsOf(kind reflect.Type) []namedField {
	var all []namedField
	for kind.Kind() == reflect.Ptr {
		kind = kind.Elem()
	}
	if kind.Kind() != reflect.Struct {
		return nil
	}
	for i := 0; i < kind.NumField(); i++ {
		field := kind.Field(i)
		tag := field.Tag.Get("xml")
		switch {
		case field.Anonymous:
			all = append(all, fieldsOf(field.Type)...)
		case tag == "" || strings.Contains(tag, ",attr") || strings.Contains(tag, ",chardata"):
		default:
			all = append(all, namedField{strings.SplitN(tag, ",", 2)[0], field.Type})
		}
	}
	return all
}
