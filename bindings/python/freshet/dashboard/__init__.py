"""The dashboard: a stream and its verdicts in a browser.

Needs ``pip install 'freshet[dashboard]'``. `sources` reads verdicts from wherever they are,
`points` is what they become; `downsampling`, `charts` and `sentences` show them. `page` is the
script that Streamlit runs, and `running` starts it.
"""
