# SPDX-License-Identifier: GPL-2.0-only
# Turn "objdump -dw --insn-width=16" into initialisers { mode, length, { bytes }, "text" }.
BEGIN { FS = "\t" }
/^ *[0-9a-f]+:\t/ {
	n = split($2, b, " ")
	bytes = ""
	for (i = 1; i <= n; i++)
		bytes = bytes "0x" b[i] ", "
	text = $3
	gsub(/[ \t]+/, " ", text)
	gsub(/[\\"]/, "", text)
	sub(/ $/, "", text)
	if (text == "" || text ~ /\(bad\)/) {
		print "emul_vectors.awk: not an instruction: " $0 > "/dev/stderr"
		exit 1
	}
	printf "{ %s, %d, { %s}, \"%s\" },\n", mode, n, bytes, text
}
