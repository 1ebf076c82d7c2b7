"""`python -m tools.docs`: writes the pages that come from the code anew, and builds the site into site/."""

import shutil
import sys

from tools.docs.build import build
from tools.docs.stage import ROOT, write_from_code


def main() -> int:
    """Exit status 1 where anything is wrong with the pages."""
    write_from_code()
    work, site = ROOT / "build" / "pages", ROOT / "site"
    if wrong := build(work):
        print("\n".join(wrong), file=sys.stderr)
        return 1
    shutil.rmtree(site, ignore_errors=True)
    shutil.move(work / "site", site)
    print(f"The documentation is in {site / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
