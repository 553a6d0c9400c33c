# Tests of the web worker and its APIs.
