"""Association proxies: the same expressions with this package and with ``sqlalchemy.orm``, and what is better here."""

# ruff: noqa: E711

from __future__ import annotations

import copy
import pickle
import platform
import weakref
from collections.abc import Callable, Iterator
from types import FunctionType, SimpleNamespace
from typing import Any

import pytest
import sqlalchemy.ext.associationproxy
import sqlalchemy.orm
import sqlalchemy.orm.collections
from sqlalchemy import Column, Engine, ForeignKey, Integer, String, Table, delete, inspect, select, update
from sqlalchemy.exc import InvalidRequestError

import session
import session.ext.associationproxy
from session.ext.associationproxy import (
    _AssociationList,
    association_proxy,
)

from .association_models import make_models, outcome

OURS = make_models(session, association_proxy)
THEIRS = make_models(sqlalchemy.orm, sqlalchemy.ext.associationproxy.association_proxy)
for _name, _cls in vars(OURS).items():
    if isinstance(_cls, type):  # pickled by these names
        _cls.__module__, _cls.__qualname__ = __name__, f"Our{_name}"
        globals()[f"Our{_name}"] = _cls
User, Word, Verb, Entry, Profile, Score = (
    getattr(OURS, name) for name in ("User", "Word", "Verb", "Entry", "Profile", "Score")
)


@pytest.fixture(params=["ours", "theirs"])
def models(request: pytest.FixtureRequest) -> SimpleNamespace:
    return OURS if request.param == "ours" else THEIRS


@pytest.fixture
def opened(engine: Engine) -> Iterator[session.Session]:
    OURS.Base.metadata.create_all(engine)
    with session.Session(engine) as opened:
        opened.add_all(
            [
                User(id=1, texts=["red", "blue"], tags=["x"], bio="reader", points={"go": 3, "chess": 5}),
                User(id=2, texts=["green"], entry_texts=["alpha", "beta"], favourite=Word("best")),
                User(id=3, profile=Profile(), scores={"go": Score("go", None)}),
            ]
        )
        opened.commit()
        yield opened


# -- collections beside those of sqlalchemy.orm ------------------------------------------------------

LISTS = """
texts.append('a'); texts.extend(['b', 'c', 'd']); texts; list(texts); len(texts); bool(texts); 'a' in texts; 'z' in texts
texts[0]; texts[-1]; texts[9]; texts[1:3]; texts[::2]; type(texts[1:3]).__name__
texts == ['a', 'b', 'c', 'd']; ['a', 'b', 'c', 'd'] == texts; texts == texts; texts == ('a',); texts != ['a']
texts < ['b']; texts <= ['a']; texts > ['b']; texts >= ['a']; texts < 3
texts + ['x']; ['x'] + texts; texts + texts; texts * 2; 2 * texts; texts * 'x'
texts.index('b'); texts.index('b', 2); texts.index('b', 0, 3); texts.index('z'); texts.count('a')
texts.copy(); type(texts.copy()).__name__; copy.copy(texts) == texts; list(reversed(texts)); sorted(texts)
hash(texts); texts.append('a', 'b')
user.words[0].id; texts.__setitem__(0, 'A'); words; texts.__setitem__(9, 'x')
texts.__setitem__(slice(1, 3), ['B', 'C']); words; texts.__setitem__(slice(1, 3), ['x', 'y', 'z']); words
texts.__setitem__(slice(None, None, 2), ['1', '2', '3']); words
texts.__setitem__(slice(None, None, 2), ['1', '2'])
texts.__setitem__(slice(1, 1), ['i']); texts.__setitem__(slice(2, 1), ['j']); words
texts.__setitem__(slice(None, None), ['p', 'q']); words
texts.insert(1, 'in'); texts.insert(-1, 'k'); texts.insert(99, 'end'); words
texts.pop(); texts.pop(0); texts.pop(9); words; texts.remove('nothing'); texts.remove('in'); words
texts.extend('abc'); texts.__delitem__(0); texts.__delitem__(slice(0, 1)); texts.__delitem__(9); words
texts.__iadd__(['m', 'n']); words; texts.__imul__(2); words; texts.__imul__(0); words
set_(['r', 's']); words; set_(['s', 't']); words; set_(texts); words; set_(('u',)); words; set_('xyz'); words; set_(5)
texts.clear(); words; texts.append(None); texts; words
delete_(); words; texts; isinstance(texts, list); isinstance(texts, collections.abc.MutableSequence)
"""

SETS = """
tags.add('a'); tags.add('a'); tag_words; tags.update(['b', 'c'], ['d']); tags.__ior__({'e'}); sorted(tags); len(tags)
tags == set('abcde'); set('abcde') == tags; tags == tags; tags != {'a'}; tags == frozenset('abcde'); tags == ['a']
tags < set('abcdef'); tags <= set('abcde'); tags > {'a'}; tags >= {'a'}; {'a'} < tags; tags <= tags; tags < ['a']
tags.issubset('abcde'); tags.issuperset('ab'); tags.isdisjoint('z'); 'a' in tags; 'z' in tags; [] in tags
sorted(tags.union(['z'], ['y'])); sorted(tags.difference(['a'], ['b'])); sorted(tags.intersection(['a', 'z']))
sorted(tags.symmetric_difference(['a', 'z'])); sorted(tags | {'z'}); sorted(tags - {'a'}); sorted(tags & {'a', 'z'})
sorted(tags ^ {'a', 'z'}); tags | ['z']; tags & ['z']; tags ^ ['z']; tags - ['z']; type(tags | {'z'}).__name__
tags.discard('a'); tags.discard('nothing'); tags.remove('nothing'); tags.remove('b'); sorted(tags)
tags.__isub__({'c'}); sorted(tags); tags.__iand__({'d', 'x'}); sorted(tags); tags.__ixor__({'d', 'y'}); sorted(tags)
tags.difference_update(['y'], ['q']); tags.symmetric_difference_update(['y', 'w']); sorted(tags)
tags.intersection_update(['y'], ['y', 'z']); sorted(tags); tags.pop(); tags.pop(); tags; bool(tags); len(tags)
set_({'a', 'b'}); sorted(tags); kept(); set_(['a', 'c']); sorted(tags); kept(); set_('xy'); sorted(tags); set_(5)
sorted(tags.copy()); type(tags.copy()).__name__; hash(tags); set_(None); tags; set_(['a']); tags.clear(); tag_words
delete_(); tag_words; isinstance(tags, set); isinstance(tags, collections.abc.MutableSet)
"""

DICTS = """
points.__setitem__('chess', 3); points.__setitem__('go', 5); scores; points; kept(); points.__setitem__('chess', 4); kept()
points['go']; points['nothing']; points.get('go'); points.get('nothing'); points.get('nothing', 7); 'go' in points
len(points); bool(points); list(points); list(points.keys()); list(points.values()); list(points.items())
points == {'chess': 4, 'go': 5}; {'chess': 4, 'go': 5} == points; points == points; points != {}; points < {}
points.setdefault('chess', 9); points.setdefault('new', 9); points.setdefault('none'); points
points.pop('none'); points.pop('none'); points.pop('new'); points.popitem(); points
points.update({'a': 1}, b=2); points.update([('c', 3)]); points.update(d=4); points.update(); points
points.update({'x': 1}, {'y': 2}); points.update(5); points.__delitem__('a'); points.__delitem__('nothing'); points
points.copy(); type(points.copy()).__name__; set_({'b': 9, 'z': 1}); points; kept(); set_(5); points; hash(points)
points.clear(); scores; points.popitem(); delete_(); scores; isinstance(points, collections.abc.MutableMapping)
"""

SINGLE = """
user.bio; user.favourite; user.favourite_text; user.notes
put('bio', None); user.profile; put('made_for_none', None); user.profile; put('profile', None)
put('bio', 'x'); user.profile; user.bio; put('bio', 'y'); user.profile; put('bio', None); user.profile
put('removable', 'z'); user.profile; put('removable', None); user.profile
put('bio', 'q'); delattr(user, 'bio'); user.profile; user.bio
put('favourite', models.Word('k')); user.profile; user.favourite; user.favourite_text
put('favourite_text', 'other'); user.favourite; put('favourite', None); user.profile; user.favourite_text
put('favourite_text', 'new'); user.favourite; put('profile', None); put('favourite_text', 'new'); user.profile; user.notes
"""

CHAINS = """
user.entry_words.append(models.Word('a')); user.entries; user.entry_texts; user.entry_texts.append('b'); user.entry_words
user.entry_texts.__setitem__(0, 'z'); user.entries; [entry.user is user for entry in user.entries]
user.entry_words.remove(user.entry_words[0]); user.entries
put('entry_words', [models.Word('1'), models.Word('2')]); user.entries; user.entry_texts
user.loud.append('HEY'); user.loud; user.words; user.loud.__setitem__(0, 'YO'); user.words; user.marked; user.other_names
user.loud.index('YO'); put('tenses', ['past']); user.tenses; user.words; user.loud
user.words.append(models.Word('no verb')); list(user.tenses)
"""


@pytest.mark.parametrize(
    ("attribute", "program"),
    [("texts", LISTS), ("tags", SETS), ("points", DICTS), ("bio", SINGLE), ("entry_texts", CHAINS)],
)
def test_each_expression_does_what_it_does_with_sqlalchemy_orm(attribute: str, program: str) -> None:
    steps = [step for line in program.strip().splitlines() for step in line.split("; ")]
    assert run_steps(OURS, attribute, steps) == run_steps(THEIRS, attribute, steps)


def run_steps(models: SimpleNamespace, attribute: str, steps: list[str]) -> list[Any]:
    user = models.User()

    def kept() -> list[int]:
        """Which of the members that have been there are there still."""
        members = sorted(user.scores.values() if attribute == "points" else user.tag_words, key=repr)
        known.extend(one for one in members if one not in known)
        return sorted(known.index(one) for one in members)

    known: list[Any] = []
    names = {"user": user, "models": models, "copy": copy, "kept": kept}
    names["collections"] = __import__("collections.abc")
    names["put"] = lambda name, value: setattr(user, name, value)
    names["set_"] = lambda value: setattr(user, attribute, value)
    names["delete_"] = lambda: delattr(user, attribute)
    found = []
    for step in steps:
        for name in ("texts", "words", "tags", "tag_words", "points", "scores"):
            names[name] = getattr(user, name)
        found.append((step, outcome(lambda step=step: eval(step, names))))  # type: ignore[misc]
    return found


# -- SQL beside that of sqlalchemy.orm -----------------------------------------------------------------

CRITERIA = """
User.texts.any(); User.texts.any(Word.text == 'a'); User.texts.any(text='a'); User.texts.has(); ~User.texts.any()
User.texts == 'a'; User.texts != 'a'; User.texts == None; User.texts != None; User.texts < 'a'; 'a' == User.texts
User.texts.contains('a'); User.texts.like('a%'); User.texts.ilike('a'); User.texts.in_(['a', 'b']); User.texts.is_(None)
User.texts.startswith('a'); User.texts.between('a', 'b'); User.texts.label('x'); User.texts.__clause_element__()
User.points == 3; User.points > 3; User.points.any(game='a'); User.points.any(Score.game == 'a')
User.bio == 'a'; User.bio != 'a'; User.bio == None; User.bio != None; User.bio.has(); User.bio.any(); User.bio.has(bio='x')
User.bio.contains('x')
User.entry_words.any(); User.entry_words.any(text='a'); User.entry_words.any(Word.text == 'a'); User.entry_words.has()
User.entry_words == None; User.entry_words != None; User.entry_words == Word(id=3); User.entry_words.contains(Word(id=3))
User.entry_words.like('a')
User.favourite == None; User.favourite != None; User.favourite == Word(id=4); User.favourite != Word(id=4)
User.favourite.has(); User.favourite.has(text='x'); User.favourite.any(); User.favourite.contains(Word(id=4))
User.entry_texts.any(); User.entry_texts.any(Word.text == 'a'); User.entry_texts.any(text='a'); User.entry_texts == 'a'
User.entry_texts == None; User.entry_texts != 'a'; User.entry_texts.contains('a'); User.entry_texts.has(Word.text == 'a')
User.favourite_text == 'a'; User.favourite_text == None; User.favourite_text != None; User.favourite_text != 'a'
User.favourite_text.has(); User.favourite_text.any(); User.favourite_text.contains('a')
User.notes.any(); User.notes.any(id=3); User.notes.has(); User.notes.contains(Note(id=3)); User.notes == Note(id=3)
Entry.text == 'a'; Entry.text == None; Entry.text != None; Entry.text.has(); Entry.text.any()
User.loud.any(); User.loud == 'a'; User.loud != 'a'; User.tenses.any(); User.tenses == 'a'
User.marked == 'a?'; User.marked == None; User.other_names == 'a'; User.lengths == 'a!'; User.lengths.any()
aliased(User).entry_words.any(); aliased(User).entry_words.contains(Word(id=3)); aliased(User).favourite == Word(id=3)
aliased(User).favourite == None; aliased(User).favourite_text == 'x'; aliased(User).entry_texts.any()
select(User.texts); select(User).join(User.texts); select(User.id).order_by(User.bio); select(User).filter_by(texts='a')
select(User).filter_by(texts=None); select(User).filter_by(favourite=None); select(User).filter_by(entry_words=None)
select(User).join(User.entry_words.local_attr).join(User.entry_words.remote_attr)
update(User).where(User.bio == 'x').values(id=3); delete(User).where(User.texts == 'x')
selectinload(User.texts); Session().query(User.texts); type(User.texts).__name__; User.texts is User.texts
type(User.favourite).__name__; type(User.entry_texts).__name__; type(User.loud).__name__; repr(User.texts)
User.texts.scalar; User.bio.scalar; User.favourite_text.scalar; User.texts.info; User.bio.info; User.texts.value_attr
User.texts.target_class is Word; User.texts.owning_class is User; User.texts.target_collection; User.texts.key == User.bio.key
User.entry_texts.remote_attr is Entry.text; User.texts.remote_attr; User.entries; User.texts.parent is Named.texts
Named.texts; Named.texts.for_class(User) is User.texts; Named.texts.__get__(None, int) is Named.texts
Named.texts.is_attribute; Named.texts.extension_type.name; Named.texts.creator; User.bio.parent.cascade_scalar_deletes
list(inspect(User).all_orm_descriptors.keys()); inspect(User).all_orm_descriptors.texts is Named.texts
[key for key, one in inspect(User).all_orm_descriptors.items() if one.extension_type.name == 'ASSOCIATION_PROXY']
inspect(User).attrs.keys(); inspect(User.texts, raiseerr=False); inspect(Named.texts, raiseerr=False)
"""


@pytest.mark.parametrize("line", CRITERIA.strip().splitlines())
def test_each_criterion_is_that_of_sqlalchemy_orm(line: str) -> None:
    for one in line.split("; "):
        assert shown(OURS, one) == shown(THEIRS, one), one


def shown(models: SimpleNamespace, expression: str) -> Any:
    names = {name: value for name, value in vars(models).items() if name[0].isupper()}
    names.update(select=select, update=update, delete=delete, inspect=inspect)
    names.update(aliased=models.orm.aliased, selectinload=models.orm.selectinload, Session=models.orm.Session)

    def text() -> Any:
        value = eval(expression, names)
        if hasattr(value, "compile"):
            value = str(value.compile(compile_kwargs={"literal_binds": True})).split()
        elif hasattr(value, "__clause_element__"):
            value = str(value).split() if hasattr(value, "impl") else repr(value)
        return value

    return outcome(text)


# -- in databases ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        (lambda: User.texts == "red", [1]),
        (lambda: User.texts.like("%e%"), [1, 2]),
        (lambda: ~User.texts.any(), [3]),
        (lambda: User.texts == None, [3]),
        (lambda: User.tags.contains("x"), [1]),
        (lambda: User.points > 4, [1]),
        (lambda: User.points == None, [2, 3]),
        (lambda: User.bio == "reader", [1]),
        (lambda: User.bio == None, [2, 3]),
        (lambda: User.bio != None, [1]),
        (lambda: User.entry_words.any(text="beta"), [2]),
        (lambda: User.entry_texts.contains("alpha"), [2]),
        (lambda: User.favourite.has(Word.text == "best"), [2]),
        (lambda: User.favourite == None, [1, 3]),
        (lambda: User.favourite_text == "best", [2]),
        (lambda: User.favourite_text == None, [1, 3]),
    ],
)
def test_criteria_find_rows(opened: session.Session, criterion: Callable[[], Any], expected: list[int]) -> None:
    assert opened.scalars(select(User.id).where(criterion()).order_by(User.id)).all() == expected
    alias = session.aliased(User)
    through = FunctionType(criterion.__code__, {**globals(), "User": alias})  # the same, with the alias for the class
    assert opened.scalars(select(alias.id).where(through()).order_by(alias.id)).all() == expected


def test_what_is_done_by_proxies_is_written(opened: session.Session) -> None:
    first, second = opened.get_one(User, 1), opened.get_one(User, 2)
    first.texts.remove("red")
    first.texts.insert(0, "black")
    first.tags |= {"y", "z"}
    first.points["go"] = 9
    del first.points["chess"]
    first.bio = "writer"
    second.entry_texts = ["gamma"]
    second.favourite_text = "worst"
    opened.commit()
    opened.expunge_all()
    first, second = opened.get_one(User, 1), opened.get_one(User, 2)
    assert sorted(first.texts) == ["black", "blue"]
    assert first.tags == {"x", "y", "z"}
    assert first.points == {"go": 9}
    assert first.bio == "writer"
    assert second.entry_texts == ["gamma"]
    assert second.favourite_text == "worst"
    assert opened.scalar(select(Profile.id).where(Profile.word.has(text="worst"))) is not None
    assert len(opened.scalars(select(Entry)).all()) == 1
    second.removable = None
    opened.commit()
    assert opened.scalars(select(User.id).where(User.profile == None).order_by(User.id)).all() == [2]


def test_proxies_in_joins_options_and_bulk_statements(opened: session.Session) -> None:
    statement = select(User).options(session.selectinload(User.texts.local_attr)).order_by(User.id)
    assert [user.texts for user in opened.scalars(statement)] == [["red", "blue"], ["green"], []]
    joined = select(User.id, Word.text).join(User.entry_words.local_attr).join(User.entry_words.remote_attr)
    assert sorted(map(tuple, opened.execute(joined))) == [(2, "alpha"), (2, "beta")]
    opened.execute(update(Profile).where(Profile.text == "best").values(bio="changed"))
    assert opened.scalars(select(User.id).where(User.bio == "changed")).all() == [2]
    assert opened.query(User).filter_by(bio="changed").one().id == 2


# -- what is done here and not there ----------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*cartesian product")
def test_an_alias_is_compared_by_its_own_rows(opened: session.Session) -> None:
    other = session.aliased(User)
    pairs = select(User.id, other.id).where(User.texts == "red", other.texts == "green")
    assert [tuple(row) for row in opened.execute(pairs)] == [(1, 2)]
    joined = select(other.id).join(other.texts.local_attr).where(Word.text == "green")
    assert opened.scalars(joined).all() == [2]


def test_lists_do_what_lists_do_where_sqlalchemy_orm_refuses() -> None:
    user = User(texts=["b", "c", "a"])
    user.texts.sort()
    assert user.texts == ["a", "b", "c"]
    user.texts.sort(key=lambda text: -ord(text))
    assert [word.text for word in user.words] == ["c", "b", "a"]
    user.texts.reverse()
    user.texts[-1:] = ["x", "y"]
    assert user.texts == ["a", "b", "x", "y"]
    user.texts[9:] = ["z"]
    user.texts[::-2] = ["5", "3", "1"]
    assert user.texts == ["1", "b", "3", "y", "5"]
    user.texts.extend(user.texts)
    assert len(user.texts) == 10
    user.texts = (text + "!" for text in user.texts if text.isdigit())
    assert user.texts == ["1!", "3!", "5!"] * 2
    with pytest.raises(TypeError):
        user.texts = None
    with pytest.raises(TypeError):
        user.texts *= "x"
    assert len(user.texts) == 6


def test_sets_and_dictionaries_meet_plain_ones_on_either_side() -> None:
    user = User(tags={"a", "b"}, points={"go": 1})
    assert {"a", "z"} | user.tags == {"a", "b", "z"}
    assert {"a", "z"} - user.tags == {"z"}
    assert {"a", "z"} & user.tags == {"a"}
    assert {"a", "z"} ^ user.tags == {"b", "z"}
    assert user.points | {"chess": 2} == {"go": 1, "chess": 2} == {"chess": 2} | user.points
    user.points |= {"chess": 2}
    assert user.points.pop("nothing", 7) == 7
    assert list(reversed(user.points)) == ["chess", "go"]
    user.points = [("go", 3)]
    assert user.points == {"go": 3}
    with pytest.raises(TypeError):
        user.points = None


def test_a_view_does_not_keep_its_object_alive() -> None:
    user = User(texts=["a"])
    view = user.texts
    assert view is user.texts
    del user
    assert view == ["a"]
    view.append("b")
    assert view == ["a", "b"]
    gone = weakref.ref(view.lazy_collection.args[0])
    del view
    if platform.python_implementation() == "CPython":
        assert gone() is None


def test_views_and_proxies_are_pickled_and_copied() -> None:
    user = User(texts=["a", "b"], points={"go": 1}, entry_texts=["x"])
    loaded = pickle.loads(pickle.dumps(user))
    assert (loaded.texts, loaded.points) == (["a", "b"], {"go": 1})
    texts, points = pickle.loads(pickle.dumps((user.texts, user.points)))
    texts.append("c")
    assert ([word.text for word in texts.col], points) == (["a", "b", "c"], {"go": 1})
    assert user.texts == ["a", "b"]
    assert pickle.loads(pickle.dumps(User.texts)) is User.texts
    assert isinstance(copy.copy(user.texts), _AssociationList)
    proxy = association_proxy("words", "text")
    with pytest.raises(TypeError, match="no attribute of"):
        pickle.dumps(proxy.for_class(User))


def test_collections_that_are_like_no_list_are_refused(engine: Engine) -> None:
    registry = session.registry()

    class Bag:
        """Like a set, and says so."""

        __emulates__ = set

        def __init__(self) -> None:
            self.members: list[Any] = []

        @session.collections.collection.appender
        def add(self, member: Any) -> None:
            self.members.append(member)

        @session.collections.collection.remover
        def remove(self, member: Any) -> None:
            self.members.remove(member)

        @session.collections.collection.iterator
        def __iter__(self) -> Iterator[Any]:
            return iter(self.members)

    class Heap(Bag):
        __emulates__ = None

    class Owner:
        pass

    class Thing:
        def __init__(self, name: str) -> None:
            self.name = name

    owner = Table("owner", registry.metadata, Column("id", Integer, primary_key=True))
    thing = Table(
        "thing",
        registry.metadata,
        Column("id", Integer, primary_key=True),
        Column("owner_id", ForeignKey("owner.id")),
        Column("name", String(9)),
    )
    proxied: Any = Owner
    proxied.bag_names = association_proxy("bag", "name")
    proxied.heap_names = association_proxy("heap", "name")
    relations = {
        name: session.relationship(Thing, collection_class=made, overlaps="bag,heap")
        for name, made in (("bag", Bag), ("heap", Heap))
    }
    registry.map_imperatively(Owner, owner, properties=relations)
    registry.map_imperatively(Thing, thing)
    one = proxied(bag_names=["a", "b"])
    one.bag_names = ["b", "c"]
    assert sorted(member.name for member in one.bag) == ["b", "c"] == sorted(one.bag_names)
    with pytest.raises(InvalidRequestError, match="proxy_factory"):
        one.heap_names  # noqa: B018
    registry.dispose()


# -- makers ------------------------------------------------------------------------------------------------


class ShoutingList(_AssociationList[str]):
    """Shows what it has in capitals."""

    def __iter__(self) -> Iterator[str]:
        return (value.upper() for value in super().__iter__())


def test_factories_make_views_readers_and_fill_them(models: SimpleNamespace) -> None:
    calls: list[Any] = []
    orm = models.orm
    base = orm.declarative_base()
    make = models.association_proxy

    def readers(kind: Any, proxy: Any) -> Any:
        calls.append((kind, proxy.value_attr))

        def write(member: Any, *value: Any) -> None:
            calls.append(("write", *value))
            member.name = value[-1].strip("<>")

        return (lambda member: member and f"<{member.name}>"), write

    def view(lazy: Any, creator: Any, attribute: str, proxy: Any) -> Any:
        calls.append((len(lazy()), creator.__name__, attribute))
        getter, setter = (lambda member: member.name), (lambda member, value: setattr(member, "name", value))
        return (ShoutingList if models is OURS else TheirShoutingList)(lazy, creator, getter, setter, proxy)

    def fill(proxy: Any, values: Any) -> None:
        calls.append((list(proxy), values))
        proxy.extend(sorted(values))

    class Thing(base):
        __tablename__ = "thing"
        id = Column(Integer, primary_key=True)
        owner_id = Column(ForeignKey("owner.id"))
        name = Column(String(9))

        def __init__(self, name: str) -> None:
            self.name = name

    class Owner(base):
        __tablename__ = "owner"
        id = Column(Integer, primary_key=True)
        things = orm.relationship(Thing)
        one = orm.relationship(Thing, uselist=False, viewonly=True)
        keyed = orm.relationship(Thing, viewonly=True, collection_class=orm.collections.attribute_keyed_dict("name"))
        read = make("things", "name", getset_factory=readers)
        read_one = make("one", "name", getset_factory=readers)
        read_keyed = make("keyed", "name", getset_factory=readers, creator=lambda key, value: Thing(key))
        shouted = make("things", "name", proxy_factory=view)
        filled = make("things", "name", proxy_bulk_set=fill)
        both = make("things", "name", proxy_factory=view, proxy_bulk_set=fill)

    owner = Owner(read=["a"], read_one="o")
    assert list(owner.read) == ["<a>"]
    owner.read[0] = "<b>"
    assert owner.things[0].name == "b"
    owner.read_one = "<p>"
    assert owner.read_one == "<p>"
    owner.read_keyed["k"] = "ignored"
    owner.read_keyed["k"] = "k"
    assert owner.read_keyed == {"k": "<k>"}
    assert list(owner.shouted) == ["B"]
    owner.shouted.append("c")
    owner.filled = {"y", "x"}
    assert [thing.name for thing in owner.things] == ["x", "y"]
    both = owner.both
    owner.both = {"z"}
    assert owner.both is both
    assert [call for call in calls if call != (None, "name")] == [
        (list, "name"),
        ("write", "<b>"),
        ("write", "<p>"),
        (dict, "name"),
        ("write", "k", "k"),
        (1, "Thing", "name"),
        ([], {"y", "x"}),
        (2, "Thing", "name"),
        ([], {"z"}),
    ]


class TheirShoutingList(sqlalchemy.ext.associationproxy._AssociationList):  # type: ignore[type-arg]
    def __iter__(self) -> Iterator[str]:
        return (value.upper() for value in super().__iter__())
