"""How Sphinx builds the site from what `gather` has put together; nothing is fetched, neither here nor by a page."""

from importlib.resources import files
from pathlib import Path

project = "Backpropagation through time"
author = "the maintainers of bptt-course"
copyright = author
extensions = ["myst_nb", "sphinx_design", "sphinx.ext.autodoc"]
exclude_patterns = ["**/.ipynb_checkpoints"]

myst_enable_extensions = ["dollarmath", "colon_fence", "html_image"]
myst_heading_anchors = 3
myst_update_mathjax = False
nb_execution_mode = "off"  # solutions come executed, lessons as a learner gets them
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # else every page would fetch a widget manager; sliders have a picture
nb_merge_streams = True
autodoc_member_order = "bysource"
autodoc_typehints = "description"
add_module_names = False

html_theme = "pydata_sphinx_theme"
html_title = project
html_show_sourcelink = False
html_favicon = "_static/icon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_context = {"default_mode": "auto"}
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "logo": {"text": "BPTT", "alt_text": project},
    "header_links_before_dropdown": 5,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "footer_start": [],
    "footer_end": [],
}

# MathJax 3 from a package, so that formulas need no network.
MATHJAX = Path(str(files("sphinx-mathjax-offline"))) / "static" / "mathjax"
mathjax_path = "mathjax/tex-mml-chtml.js"
mathjax3_config = {
    "options": {"enableMenu": False, "processHtmlClass": "math|output_area", "ignoreHtmlClass": "bd-page-width"}
}
