"""Reading help pages: what is text, what is hidden, what is left out."""

from data_prep.corpora.help_pages import paragraphs

SWITCH = (
    '<p id="par_id7" class="paragraph">Press <span id="s_1" class="switchinline">'
    '<span hidden="true" id="MACtext_1" class="MAC"><span class="keycode">Command</span></span>'
    '<span hidden="true" id="defaulttext_1"><span class="keycode">Ctrl</span></span></span>'
    '<span class="keycode">+F</span>.</p>'
)


def test_headings_and_paragraphs_are_read_in_page_order_with_their_inline_markup_removed():
    page = """<title>Not text</title><p>No id</p><h1 id="hd_id1"><a name="x"></a>Hiding
       Text</h1><p id="par_id2">Choose <span class="emph">Insert - Field</span>&nbsp;&amp; click.</p>"""
    assert list(paragraphs(page).items()) == [("hd_id1", "Hiding Text"), ("par_id2", "Choose Insert - Field & click.")]


def test_the_default_variant_of_a_switch_is_shown_and_the_others_are_skipped():
    assert paragraphs(SWITCH) == {"par_id7": "Press Ctrl+F."}


def test_a_switch_without_a_default_makes_the_paragraph_empty_and_keeps_its_place():
    page = """<p id="par_id1">The path <span class="switchinline"><span hidden="true" id="WINtext_1" class="WIN">of the
      drive</span></span>.</p><p id="par_id1">Second</p>"""
    assert paragraphs(page) == {"par_id1": "", "par_id1#2": "Second"}


def test_hidden_spans_outside_a_switch_are_skipped():
    page = '<p id="par_id1">Seen <span hidden="true" id="MACx"><b>not <span>seen</span></b></span>again</p>'
    assert paragraphs(page) == {"par_id1": "Seen again"}


def test_program_text_and_pictures_are_left_out():
    page = """<p id="par_id1" class="code">Print 1</p><p id="par_id2" class="smathcode">a over b</p>
      <p id="par_id3" class="image"><img src="a.svg" alt="Picture"></p>
      <p id="par_id4">Icon <img src="b.svg"> here</p>"""
    assert paragraphs(page) == {"par_id4": "Icon here"}


def test_a_line_break_separates_words():
    assert paragraphs('<p id="par_id1">one<br>two<br/>three</p>') == {"par_id1": "one two three"}
