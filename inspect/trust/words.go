package trust

import "strconv"

// counted is "1 certificate" or "2 certificates".
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
