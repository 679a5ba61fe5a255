from __future__ import annotations

from django.urls import path

from conversations.views import (
    attachments,
    channel_tests,
    chats,
    customers,
    invitations,
    lists,
    live,
    notices,
    people,
    threads,
    turn_stream,
    turns,
)

app_name = "conversations"
urlpatterns = [
    path("assistant/", chats.chats, name="chats"),
    path("assistant/turns/<uuid:pk>/", turns.turn, name="turn"),
    path("assistant/turns/<uuid:pk>/stream/", turn_stream.stream, name="turn-stream"),
    path("assistant/turns/<uuid:pk>/stop/", turns.stop, name="stop-turn"),
    path("assistant/turns/<uuid:pk>/again/", turns.ask_again, name="ask-again"),
    path("assistant/<uuid:pk>/", chats.chat, name="chat"),
    path("assistant/<uuid:pk>/messages/", chats.say, name="say"),
    path("assistant/<uuid:pk>/export.<slug:form>", chats.export, name="export-chat"),
    path("assistant/<uuid:pk>/<slug:act>/", chats.change, name="change-chat"),
    path("channel-tests/<str:token>/", channel_tests.arrived, name="channel-test"),
    path("conversations/", lists.conversation_list, name="list"),
    path("conversations/<uuid:pk>/", threads.conversation_detail, name="detail"),
    path("conversations/<uuid:pk>/assistant/", turns.of_case, name="assistant-of"),
    path("customers/<uuid:pk>/", customers.customer_page, name="customer"),
    path("customers/<uuid:pk>/merge/", customers.merge, name="merge-customer"),
    path("customers/<uuid:pk>/split/", customers.split, name="split-customer"),
    path("messages/<uuid:pk>/by-a-person/", threads.by_a_person, name="by-a-person"),
    path("messages/<uuid:pk>/html/", threads.message_html, name="message-html"),
    path("messages/<uuid:pk>/files.zip", attachments.all_files, name="all-files"),
    path("attachments/<uuid:pk>/", attachments.attachment, name="attachment"),
    path("attachments/<uuid:pk>/picture/", attachments.picture, name="picture"),
    path("invitations/<str:token>/", invitations.invitation, name="invitation"),
    path("live/", live.stream, name="live"),
    path("notifications/", notices.page, name="notices"),
    path("notifications/bell/", live.bell, name="bell"),
    path("profile/", people.profile, name="profile"),
    path("profile/preferences/", people.preferences, name="preferences"),
    path("profile/keys/", people.own_keys, name="keys"),
    path("profile/notifications/", notices.choose, name="choose-notices"),
    path("switch/", people.switch, name="switch"),
]
