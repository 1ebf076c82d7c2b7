"""The parts of the one decoder; everything outside uses `budwood.data.images`."""
