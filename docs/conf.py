"""Configuration of the site, for Sphinx; `docs/build.py` lays its sources out and calls it."""

from importlib.metadata import version as version_of

from docs.extension import BRANCH, REPOSITORY, linkcode_resolve  # noqa: F401 (for Sphinx)

project = "rnsl_tutorial"
author = "The rnsl_tutorial authors"
project_copyright = f"{author}, MIT licence"
release = version = version_of("rnsl-tutorial")
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.linkcode",
    "docs.extension",
]
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(?s)(?!rnsl_tutorial\.).*"),  # other projects' classes
    (r"py:.*", r"rnsl_tutorial\.(.*\.)?_\w+"),  # private ones, which have no place of their own
]

# Notebooks and Markdown
nb_execution_mode = "off"  # docs/executed.py did it
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath", "html_image"]
myst_heading_anchors = 4
html_math_renderer = "mathml"

# The API, from docstrings
default_role = "py:obj"
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_typehints_format = "short"
autodoc_inherit_docstrings = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True
add_module_names = False

# Pages
html_theme = "sphinx_book_theme"
html_title = "Learning from wrong labels"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = False
html_show_sphinx = False
html_show_sourcelink = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navbar_persistent": [],
    "repository_url": REPOSITORY,
    "repository_branch": BRANCH,
    "use_repository_button": True,
    "use_download_button": False,
    "launch_buttons": {
        "binderhub_url": "https://mybinder.org",
        "colab_url": "https://colab.research.google.com",
        "notebook_interface": "jupyterlab",
    },
    "home_page_in_toc": True,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
}
