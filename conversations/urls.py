from __future__ import annotations

from django.urls import path

from conversations.views import channel_tests, invitations, lists, live, notices, people, threads

app_name = "conversations"
urlpatterns = [
    path("channel-tests/<str:token>/", channel_tests.arrived, name="channel-test"),
    path("conversations/", lists.conversation_list, name="list"),
    path("conversations/<uuid:pk>/", threads.conversation_detail, name="detail"),
    path("messages/<uuid:pk>/by-a-person/", threads.by_a_person, name="by-a-person"),
    path("messages/<uuid:pk>/html/", threads.message_html, name="message-html"),
    path("attachments/<uuid:pk>/", threads.attachment, name="attachment"),
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
