# For shell scripts that judge: . "$top/tests/says.sh". At their end they say "$passed passed, $failed failed".
passed=0 failed=0

says() { # says WHAT WANTED GOT
	if [ "$2" = "$3" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $1: wanted \"$2\", got \"$3\""
	fi
}
